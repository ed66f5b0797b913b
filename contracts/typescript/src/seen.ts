/** Remembers the newest log position that a client has seen, so that its queries show its own writes. */

import { LATEST, MIN_POSITION } from "./generated/headers.js";

/**
 * The newest log position, as a number (for back ends) or opaque (for front ends and signed-in users).
 *
 * Numbers can be compared, and the largest counts. An opaque position can be compared with nothing: a reply's covers
 * all that was noted before its request was sent. Where replies crossed, or there is a number too, queries demand
 * what is committed when they arrive.
 */
export class Seen {
  #number = 0;
  #opaque: string | undefined;
  #notes = 0;

  /** How much was noted so far: to be taken before a request is sent. */
  mark(): number {
    return this.#notes;
  }

  /**
   * Note the header `Denizen-Position` of a reply, if it has one.
   *
   * `mark` is from before its request was sent. `covers`: the reply shows all that was noted by then. A back end's
   * command that changed nothing may name an older position; every other reply with an opaque position, and every
   * query's, covers it.
   */
  note(position: string, mark: number, covers: boolean): void {
    if (position === "") return;
    const alone = covers && mark === this.#notes;
    if (/^[0-9]+$/.test(position)) {
      this.number(Number(position));
      if (alone) this.#opaque = undefined;
      return;
    }
    this.#notes += 1;
    if (alone) {
      this.#number = 0;
      this.#opaque = position;
    } else {
      this.#opaque = this.#opaque === undefined ? position : LATEST;
    }
  }

  /** Note a position that is known as a number. */
  number(position: number): void {
    if (position > this.#number) {
      this.#number = position;
      this.#notes += 1;
    }
  }

  /** Demand, until a query has shown it, what is committed when a query arrives. */
  latest(): void {
    this.#opaque = LATEST;
    this.#notes += 1;
  }

  /** The header by which a query shows all of it. */
  demand(): Record<string, string> {
    if (this.#opaque !== undefined) return { [MIN_POSITION]: this.#number > 0 ? LATEST : this.#opaque };
    return this.#number > 0 ? { [MIN_POSITION]: String(this.#number) } : {};
  }
}

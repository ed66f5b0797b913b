/** The attempts of one request: the pauses between them, and the error to throw in the end. */

import type { Bounds } from "./bounds.js";
import { type DenizenError, NoAnswer } from "./errors.js";

const LONGEST_PAUSE = 500;

/** The attempts of one request. */
export class Attempts {
  /** The error to throw when the time is over. */
  refusal: DenizenError;
  /** Whether the request was sent at least once. */
  sent = false;
  readonly #bounds: Bounds;
  readonly #goneAfter: number;
  #pause = 20;
  #isGone = false;

  /** `gone`: give up where no service listens for so many milliseconds. */
  constructor(bounds: Bounds, refusal: DenizenError, gone: number | undefined) {
    this.refusal = refusal;
    this.#bounds = bounds;
    this.#goneAfter = gone === undefined ? 0 : Math.max(bounds.left() - gone, 0);
  }

  /** Note that no service listens. */
  noResponders(reason: string): void {
    this.notAsked(new NoAnswer(reason));
    this.#isGone = this.#bounds.left() <= this.#goneAfter;
  }

  /** The error to throw where no server accepts the login again: its type says that nothing was done. */
  loginRefused(refusal: NoAnswer): NoAnswer {
    if (!this.sent) return refusal;
    return new NoAnswer(`the request was sent, and may have been done; since then ${refusal.message}`);
  }

  /** Note that this attempt reached no service. A refusal by a service says more, and is kept. */
  notAsked(reason: NoAnswer): void {
    if (this.refusal instanceof NoAnswer) this.refusal = reason;
  }

  /** Wait before the next attempt. Throws `refusal` where no time is left. */
  async pause(): Promise<void> {
    if (this.#isGone) throw this.refusal;
    // Random, so that the clients do not all come back at the same moment after an outage.
    const pause = this.#pause * (0.5 + Math.random());
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    await this.#bounds.sleep(pause);
  }
}

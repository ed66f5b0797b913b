/** The place in the feed of events where a new subscription begins. */

import type { NatsConnection } from "@nats-io/nats-core";
import { positionOf, STREAM, timeOf } from "./event.js";
import type { FollowEvents } from "./generated/messages.js";
import { stateOf, storedMessage } from "./jetstream.js";

/** Under this name a durable consumer remembers where it began. */
export const METADATA = "denizen-start";

/**
 * `"first"`: the first event that was ever published. `"new"`: the next one. A number: the first event at that position
 * of the log or behind it. A Date: the first event of that time or later.
 */
export type Start = "first" | "new" | number | Date;

/** A start in the form in which it is compared and stored: `first`, `new`, `position:7`, `time:<RFC 3339>`. */
export class Beginning {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** Throws RangeError, TypeError. */
  static of(start: Start): Beginning {
    if (start instanceof Date) {
      if (Number.isNaN(start.getTime())) throw new RangeError("start: is an invalid Date");
      // As Python's `isoformat` has it, by which the relay stores it.
      return new Beginning(`time:${start.toISOString().replace(".000Z", "+00:00").replace("Z", "000+00:00")}`);
    }
    if (typeof start === "number") {
      if (!Number.isSafeInteger(start) || start < 0)
        throw new RangeError("start: positions are whole and begin with 1");
      return new Beginning(`position:${start}`);
    }
    if (start !== "first" && start !== "new") {
      throw new TypeError('start: must be "first", "new", a position of the log, or a Date');
    }
    return new Beginning(start);
  }

  /** That of a consumer; those that earlier versions made began at the first event. */
  static stored(metadata: Record<string, string> | undefined): Beginning {
    return new Beginning(metadata?.[METADATA] ?? "first");
  }

  /** The fields of FollowEvents that ask for it. */
  asked(): FollowEvents {
    if (this.#kind === "position") return { startPosition: Number(this.#value) };
    return this.#kind === "time" ? { startTime: this.#value } : { start: this.text as "first" | "new" };
  }

  /** Whether an event belongs to it. A start may lie beyond the newest event. */
  includes(position: number, time: Date): boolean {
    if (this.#kind === "position") return position >= Number(this.#value);
    return this.#kind !== "time" || time >= new Date(this.#value);
  }

  /** The stream's sequence number of its first event, by some 2 log2(n) requests. */
  async sequence(connection: NatsConnection): Promise<number> {
    if (this.text === "first") return 1;
    const state = await stateOf(connection, STREAM);
    let [low, high] = [state.first, state.last + 1];
    if (this.text === "new" || state.messages === 0) return high;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const message = await storedMessage(connection, STREAM, { seq: middle });
      if (message === undefined) throw new TypeError(`${STREAM} has no message ${middle}`);
      if (this.includes(positionOf(message.header), timeOf(message.header))) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  get #kind(): string {
    return this.text.split(":", 1)[0] ?? "";
  }

  get #value(): string {
    return this.text.slice(this.text.indexOf(":") + 1);
  }
}

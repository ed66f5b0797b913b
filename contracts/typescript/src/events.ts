/** `client.auth.events`: subscriptions to the feed of events. */

import * as arguments_ from "./arguments.js";
import { Bounds } from "./bounds.js";
import { filters, setParked } from "./durables.js";
import { VersionConflict } from "./errors.js";
import type { EventType } from "./generated/messages.js";
import { failure } from "./jetstream.js";
import * as parking from "./parking.js";
import { Beginning, type Start } from "./starting.js";
import { type Handler, type OnError, Subscription } from "./subscription.js";
import type { Transport } from "./transport.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const OPTIONS = ["durable", "handler", "start", "parkAfter", "signal", "onError"] as const;

/** The options of a subscription. */
export interface SubscribeOptions {
  /**
   * The subscription's name at the server. It goes on where it was after a restart, and processes that share the name
   * share the events. Without it the subscription ends with this process.
   */
  durable?: string;
  /** Gets one event at a time. Without it the subscription is for one `for await` loop. */
  handler?: Handler;
  /**
   * Where a new subscription begins: `"first"` (a durable's default), `"new"` (the default without a durable), a
   * position of the log, or a Date. A durable that exists goes on where it was; one that began elsewhere is refused.
   */
  start?: Start;
  /**
   * How often an event is tried before it is parked, so that the next one comes (`events.parked`); without it, an
   * event is tried until its handler succeeds. Needs a durable.
   */
  parkAfter?: number;
  /** Stops the subscription. */
  signal?: AbortSignal;
  /** Is told of errors of the handler and of interruptions, which pass by themselves. */
  onError?: OnError;
}

/** The feed of events. */
export class Events {
  readonly #transport: Transport;
  readonly #subscriptions = new Set<Subscription>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Call the handler for each event of these types (`"*"`: of all types), or loop over them.
   *
   * They come one at a time, in the log's order, each at least once (dedupe by `Event.id`); one whose handler throws
   * comes again, after a pause, before any later one.
   *
   * Throws RangeError where a type or name does not exist, or the durable follows other events or began elsewhere;
   * TypeError where an argument has a wrong type; NoAnswer and its kinds.
   */
  async subscribe(
    event: EventType | "*" | readonly (EventType | "*")[],
    options: SubscribeOptions = {},
  ): Promise<Subscription> {
    const { durable, handler, start, parkAfter, signal, onError } = arguments_.options(options, OPTIONS);
    signal?.throwIfAborted();
    const names = typeof event === "string" ? [event] : event;
    const plan = {
      subjects: filters(names.map((name) => arguments_.text("event", name))),
      durable: durable === undefined ? undefined : checkedName(durable),
      beginning: start === undefined ? undefined : Beginning.of(start),
      parkAfter: parkAfter === undefined ? undefined : checkedTries(parkAfter, durable),
      onError: onError ?? (() => {}),
    };
    if (handler !== undefined && typeof handler !== "function") {
      throw new TypeError("handler: must be a function, which takes an event");
    }
    const subscription = new Subscription(this.#transport, plan, handler);
    await subscription.start();
    this.#subscriptions.add(subscription);
    const stop = (): void => subscription.stop();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    const forget = (): void => {
      this.#subscriptions.delete(subscription);
      signal?.removeEventListener("abort", stop);
    };
    subscription.closed.then(forget, forget);
    return subscription;
  }

  /** The events that a durable gave up on, in the order of the log. Throws RangeError, TypeError, NoAnswer. */
  async parked(durable: string, options?: { signal?: AbortSignal }): Promise<parking.ParkedEvent[]> {
    const { signal } = arguments_.options(options, ["signal"]);
    const name = checkedName(durable);
    return this.#asked(signal, async () =>
      parking.parkedEvents((await this.#transport.connection()).nats, name, signal),
    );
  }

  /**
   * Have the durable's subscription handle parked events once more: those at these positions of the log, or all of them.
   *
   * One that succeeds is parked no more; one that fails stays parked. A subscription with `parkAfter` does it, now or
   * when it next runs. Returns the positions. Throws RangeError where an event is not parked; TypeError; NoAnswer.
   */
  async retryParked(
    durable: string,
    which: { positions?: readonly number[] } = {},
    options?: { signal?: AbortSignal },
  ): Promise<number[]> {
    const { signal } = arguments_.options(options, ["signal"]);
    const { positions } = arguments_.options(which, ["positions"]); // Misspelt, it would retry all.
    const name = checkedName(durable);
    const given = positions === undefined ? undefined : arguments_.wholes("positions", positions);
    return this.#asked(signal, async () => {
      const found = await parking.notes((await this.#transport.connection()).nats, name, signal);
      const asked = [...new Set(given ?? found.keys())].sort((one, other) => one - other);
      const stored = asked.map((position) => {
        const each = found.get(position);
        if (each !== undefined) return each;
        throw new RangeError(`positions: the durable ${name} has no event at position ${position} parked`);
      });
      for (const { note, sequence } of stored) {
        signal?.throwIfAborted();
        try {
          await setParked(this.#transport, name, { ...note, state: "retry" }, sequence);
        } catch (error) {
          if (!(error instanceof VersionConflict)) throw error; // It was handled, or asked for, meanwhile.
        }
      }
      return asked;
    });
  }

  /** What the work returns. Throws the reason of the signal as soon as it is aborted; DenizenError. */
  async #asked<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await new Bounds(arguments_.LONGEST_MILLISECONDS, signal).wait(work());
    } catch (error) {
      throw failure(`the stream ${parking.PARKED_STREAM}`, error);
    }
  }

  /** Stop every subscription, and wait until the last handlers have returned. */
  async stop(): Promise<void> {
    const stopped = [...this.#subscriptions];
    for (const each of stopped) each.stop();
    await Promise.allSettled(stopped.map((each) => each.closed));
  }
}

function checkedName(durable: string): string {
  if (!NAME.test(arguments_.text("durable", durable)))
    throw new RangeError("durable: 1 to 64 letters, digits, - and _");
  return durable;
}

function checkedTries(parkAfter: number, durable: string | undefined): number {
  if (arguments_.whole("parkAfter", parkAfter) < 1) throw new RangeError("parkAfter: at least one try");
  if (durable === undefined) throw new RangeError("parkAfter: events are parked under the name of a durable");
  return parkAfter;
}

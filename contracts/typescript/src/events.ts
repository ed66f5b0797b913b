/** `client.auth.events`: subscriptions to the feed of events. */

import * as arguments_ from "./arguments.js";
import { filters } from "./durables.js";
import type { EventType } from "./generated/messages.js";
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
   * How often an event is tried before it is parked, so that the next one comes (`denizen events parked`); without it,
   * an event is tried until its handler succeeds. Needs a durable.
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

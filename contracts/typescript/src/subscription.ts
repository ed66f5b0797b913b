/** A subscription: events on their way from JetStream to a handler, or to a loop. */

import type { ConsumerConfig, ConsumerInfo } from "@nats-io/jetstream";
import { Deferred } from "./deferred.js";
import * as durables from "./durables.js";
import { ValidationFailed } from "./errors.js";
import { type Event, eventOf, positionOf, STREAM } from "./event.js";
import { type Bound, type Delivery, Follower } from "./following.js";
import { addConsumer, consumerInfo, numberOf } from "./jetstream.js";
import * as parking from "./parking.js";
import { Beginning } from "./starting.js";
import type { Transport } from "./transport.js";

const LONGEST_PAUSE = 30_000;
/** So many more deliveries than tries, twice counted, are put down to processes that ended while they handled it. */
const INTERRUPTED = 8;

/** Handles an event. The signal is aborted when the subscription is stopped; an event that is finished is not repeated. */
export type Handler = (event: Event, context: { signal: AbortSignal }) => unknown;

/**
 * Is told of an error of a handler, with its event, and of interruptions of the feed, without one. Both pass by
 * themselves: the event comes again, and the feed goes on.
 */
export type OnError = (error: unknown, event: Event | undefined) => void;

/** The events that a subscription follows, and how. */
export interface SubscriptionPlan {
  /** Of the events. */
  subjects: readonly string[];
  durable: string | undefined;
  /** Undefined: a durable that exists goes on, wherever it began. */
  beginning: Beginning | undefined;
  parkAfter: number | undefined;
  onError: OnError;
}

/** Thrown into the handling of an event that the loop did not finish. */
const GIVEN_BACK = new Error("the loop ended before the event was finished");

/**
 * Events on their way to a handler, until it is stopped; without a handler, to one `for await` loop, which finishes an
 * event when it asks for the next one.
 */
export class Subscription implements AsyncDisposable, AsyncIterable<Event> {
  readonly #transport: Transport;
  readonly #plan: SubscriptionPlan;
  readonly #handler: Handler;
  readonly #handoff: Handoff | undefined;
  readonly #followers: Follower[];
  readonly #stopping = new AbortController();
  #consumer: string | undefined;
  #beginning: Beginning;
  /** The stream's sequence number behind what this process has handled: a consumer that is lost begins there. */
  #next: number | undefined;

  /** `handler` undefined: the events go to a loop. */
  constructor(transport: Transport, plan: SubscriptionPlan, handler: Handler | undefined) {
    this.#transport = transport;
    this.#plan = plan;
    this.#handoff = handler === undefined ? new Handoff() : undefined;
    this.#handler = handler ?? ((event) => this.#handoff?.offer(event));
    this.#consumer = plan.durable;
    this.#beginning = plan.beginning ?? Beginning.of(plan.durable === undefined ? "new" : "first");
    const told = (error: unknown): void => plan.onError(error, undefined);
    const name = plan.durable ?? "a subscription";
    this.#followers = [
      new Follower(
        name,
        () => this.#bind(),
        (delivery) => this.#take(delivery),
        told,
      ),
    ];
    if (plan.parkAfter !== undefined) {
      const retry = (delivery: Delivery): Promise<void> => this.#retry(delivery);
      this.#followers.push(new Follower(`${name}'s retries`, () => this.#bindRetries(), retry, told));
    }
  }

  /** Make the consumers where they are missing, and follow them. Throws RangeError, NoAnswer. */
  async start(): Promise<void> {
    try {
      for (const follower of this.#followers) await follower.start();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Take no further events; the one under way is finished, which `closed` waits for. Twice is harmless. */
  stop(): void {
    this.#stopping.abort();
    for (const follower of this.#followers) follower.stop();
    this.#handoff?.end();
  }

  /** When it has stopped, and the last handler has returned. It is rejected with what else ended it. */
  get closed(): Promise<void> {
    return this.#settled();
  }

  async #settled(): Promise<void> {
    try {
      await Promise.race([...this.#followers.map((each) => neverUnlessFailed(each.closed)), this.#allClosed()]);
    } finally {
      this.stop();
    }
  }

  async #allClosed(): Promise<void> {
    await Promise.all(this.#followers.map((each) => each.closed));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.closed;
  }

  /** Throws TypeError where the subscription has a handler, or another loop takes its events. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    if (this.#handoff === undefined) throw new TypeError("the subscription has a handler, which gets the events");
    const events = this.#handoff.taken();
    const closed = this.closed;
    closed.catch(() => {}); // The loop throws it.
    try {
      while (true) {
        const offered = await Promise.race([events.next(), closed.then(() => undefined)]);
        if (offered === undefined) return;
        let isDone = false;
        try {
          yield offered.event;
          isDone = true;
        } finally {
          if (isDone) offered.done.resolve();
          else offered.done.reject(GIVEN_BACK);
        }
      }
    } finally {
      this.stop();
      await closed;
    }
  }

  async #bind(): Promise<Bound> {
    const { nats, inboxPrefix } = await this.#transport.connection();
    if (this.#consumer === undefined) {
      this.#consumer = (await this.#create()).name;
    } else {
      const known = (await consumerInfo(nats, STREAM, this.#consumer)) ?? (await this.#recreate());
      this.#check(known.config);
      this.#consumer = known.name;
    }
    return { nats, inboxPrefix, stream: STREAM, consumer: this.#consumer };
  }

  /** Make the consumer, or take the one that another process has made at the same moment. */
  async #recreate(): Promise<ConsumerInfo> {
    try {
      return await this.#create();
    } catch (error) {
      const isRefused = numberOf(error) !== 0 || error instanceof ValidationFailed;
      if (this.#plan.durable === undefined || !isRefused) throw error;
      const { nats } = await this.#transport.connection();
      const known = await consumerInfo(nats, STREAM, this.#plan.durable);
      if (known === undefined) throw error;
      return known;
    }
  }

  async #create(): Promise<ConsumerInfo> {
    const { durable, subjects } = this.#plan;
    const { nats } = await this.#transport.connection();
    const directly = async (): Promise<ConsumerInfo> => {
      this.#next ??= await this.#beginning.sequence(nats);
      return addConsumer(nats, STREAM, durables.following(durable, subjects, this.#beginning, this.#next));
    };
    if (durable === undefined) return directly();
    await this.#askFor(durable, this.#beginning, directly);
    const made = await consumerInfo(nats, STREAM, durable);
    if (made === undefined) throw new RangeError(`the durable ${durable} was deleted just after it was made`);
    this.#next ??= made.config.opt_start_seq ?? 1;
    return made;
  }

  /** Have the relay make what is missing of the durable. Throws as `durables.byRelay`. */
  async #askFor(durable: string, start: Beginning | undefined, directly: () => Promise<unknown>): Promise<void> {
    const body = {
      types: durables.typesOf(this.#plan.subjects),
      parks: this.#plan.parkAfter !== undefined,
      ...start?.asked(),
      ...(this.#next === undefined ? {} : { sequence: this.#next }),
    };
    await durables.byRelay(this.#transport, "FollowEvents", durable, body, directly);
  }

  /** Throws RangeError where the consumer that is there is not the one that was asked for. */
  #check(known: ConsumerConfig): void {
    durables.compare(this.#plan.durable, known, this.#plan.subjects, this.#plan.beginning);
    if (this.#plan.durable !== undefined) this.#beginning = Beginning.stored(known.metadata);
  }

  async #take(delivery: Delivery): Promise<void> {
    this.#transport.seen(positionOf(delivery.headers));
    const event = eventOf(delivery.headers, delivery.data);
    try {
      await delivery.working(() => this.#handle(delivery, event));
    } catch (error) {
      if (error === GIVEN_BACK) delivery.nak();
      else await this.#failed(delivery, event, error);
      return;
    }
    await delivery.ack();
    this.#next = delivery.sequence + 1;
  }

  async #handle(delivery: Delivery, event: Event): Promise<void> {
    if (!this.#beginning.includes(event.position, event.time)) return; // It began beyond the newest event of that time.
    if (this.#wasInterruptedTooOften(delivery)) {
      // The event ends the process that handles it, before its handler can fail.
      await this.#park(delivery, undefined);
    } else {
      await this.#handler(event, { signal: this.#stopping.signal });
    }
  }

  #wasInterruptedTooOften(delivery: Delivery): boolean {
    const { parkAfter } = this.#plan;
    return parkAfter !== undefined && delivery.tries > 2 * parkAfter + INTERRUPTED;
  }

  async #failed(delivery: Delivery, event: Event, error: unknown): Promise<void> {
    this.#plan.onError(error, event);
    const { parkAfter } = this.#plan;
    if (parkAfter !== undefined && delivery.tries >= parkAfter) {
      let isParked = true;
      try {
        await this.#park(delivery, error);
      } catch (fault) {
        this.#plan.onError(fault, event); // It is tried again.
        isParked = false;
      }
      if (isParked) {
        await delivery.ack();
        return;
      }
    }
    delivery.nak(Math.min(100 * 2 ** Math.min(delivery.tries, 10), LONGEST_PAUSE));
  }

  async #park(delivery: Delivery, error: unknown): Promise<void> {
    const note = parking.givenUp(positionOf(delivery.headers), delivery.sequence, delivery.tries, error);
    await durables.setParked(this.#transport, this.#durable, note);
  }

  async #bindRetries(): Promise<Bound> {
    const { nats, inboxPrefix } = await this.#transport.connection();
    const durable = this.#durable;
    if ((await consumerInfo(nats, parking.PARKED_STREAM, durable)) === undefined) {
      const config = durables.retrying(durable);
      await this.#askFor(durable, undefined, () => addConsumer(nats, parking.PARKED_STREAM, config));
    }
    return { nats, inboxPrefix, stream: parking.PARKED_STREAM, consumer: durable };
  }

  /** Handle a parked event once more where that is what its message asks for. */
  async #retry(delivery: Delivery): Promise<void> {
    const note = parking.noteOf(delivery.data);
    if (note?.state === "retry") await this.#handleAgain(delivery, note);
    await delivery.ack();
  }

  async #handleAgain(delivery: Delivery, note: parking.Note): Promise<void> {
    if (this.#wasInterruptedTooOften(delivery)) {
      // As in `#handle`; here, too, it would end this process at each start.
      await durables.setParked(this.#transport, this.#durable, parking.failedAgain(note, undefined));
      return;
    }
    const event = await parking.parkedEvent((await this.#transport.connection()).nats, note);
    if (event === undefined) {
      await durables.setParked(this.#transport, this.#durable, { ...note, state: "parked" });
      return;
    }
    try {
      await delivery.working(async () => this.#handler(event, { signal: this.#stopping.signal }));
    } catch (error) {
      this.#plan.onError(error, event);
      await durables.setParked(this.#transport, this.#durable, parking.failedAgain(note, error));
      return;
    }
    await durables.setParked(this.#transport, this.#durable, { ...note, state: "done" });
  }

  get #durable(): string {
    return this.#plan.durable ?? "";
  }
}

interface Offered {
  event: Event;
  done: Deferred<void>;
}

/** Hands one event at a time from the follower to a loop. */
class Handoff {
  #offered = new Deferred<Offered>();
  #isTaken = false;
  #hasEnded = false;

  /** Offer an event; returns when the loop has finished it. Throws GIVEN_BACK. */
  async offer(event: Event): Promise<void> {
    if (this.#hasEnded) throw GIVEN_BACK;
    const offered = { event, done: new Deferred<void>() };
    this.#offered.resolve(offered);
    await offered.done.promise;
  }

  /** Throws TypeError where another loop takes the events. */
  taken(): { next: () => Promise<Offered> } {
    if (this.#isTaken) throw new TypeError("another loop takes the events of this subscription");
    this.#isTaken = true;
    return {
      next: async () => {
        const offered = await this.#offered.promise;
        this.#offered = new Deferred<Offered>();
        return offered;
      },
    };
  }

  /** Take nothing more from the follower; what no loop has taken is given back. */
  end(): void {
    this.#hasEnded = true;
    if (!this.#isTaken) void this.#offered.promise.then((offered) => offered.done.reject(GIVEN_BACK));
  }
}

async function neverUnlessFailed(work: Promise<void>): Promise<never> {
  await work;
  return new Promise<never>(() => {});
}

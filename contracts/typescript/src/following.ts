/** Follows one pull consumer of JetStream: message by message, through reconnects, until it is stopped. */

import { createInbox, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from "@nats-io/nats-core";
import { Deferred } from "./deferred.js";
import { failure, isOutage } from "./jetstream.js";

/** Nanoseconds after which the server delivers a message again that was neither acknowledged nor said to be at work. */
export const ACK_WAIT = 30_000_000_000;
const STILL_AT_WORK_MILLISECONDS = 10_000;
const FETCH_MILLISECONDS = 5000;
const REBIND_MILLISECONDS = 500;
/**
 * How long an inbox stays open after a message was asked for: nats-server 2.15.1 delivers to one that is closed just
 * after it asked, and to others half a minute later.
 */
const SETTLED_MILLISECONDS = 50;
const NANOSECONDS = 1_000_000;

/** A message that a consumer delivered. */
export class Delivery {
  readonly headers: MsgHdrs | undefined;
  readonly data: Uint8Array;
  /** How often it was delivered, this time included. */
  readonly tries: number;
  /** Its number on the stream. */
  readonly sequence: number;
  readonly #nats: NatsConnection;
  readonly #reply: string;

  constructor(connection: NatsConnection, message: Msg) {
    this.#nats = connection;
    this.#reply = message.reply ?? "";
    this.headers = message.headers;
    this.data = message.data;
    // $JS.ACK.<stream>.<consumer>.<tries>.<sequence>.…, or with a domain and a hash before the stream.
    const tokens = this.#reply.split(".");
    const at = tokens.length >= 11 ? 6 : 4;
    this.tries = Number(tokens[at]);
    this.sequence = Number(tokens[at + 1]);
  }

  /** Acknowledge it; returns when the server has noted that. Throws errors of NATS. */
  async ack(): Promise<void> {
    await this.#nats.request(this.#reply, "+ACK", { timeout: FETCH_MILLISECONDS });
  }

  /** Have it delivered again, after a pause. */
  nak(milliseconds = 0): void {
    this.#tell(milliseconds === 0 ? "-NAK" : `-NAK {"delay": ${Math.round(milliseconds * NANOSECONDS)}}`);
  }

  /** Do the work, and tell the server meanwhile that this message is still worked on. */
  async working<T>(work: () => Promise<T>): Promise<T> {
    const renewing = setInterval(() => this.#tell("+WPI"), STILL_AT_WORK_MILLISECONDS);
    try {
      return await work();
    } finally {
      clearInterval(renewing);
    }
  }

  #tell(what: string): void {
    if (!this.#nats.isClosed()) this.#nats.publish(this.#reply, what);
  }
}

/** A consumer, and the connection over which it is followed. */
export interface Bound {
  nats: NatsConnection;
  inboxPrefix: string;
  stream: string;
  consumer: string;
}

/** The server took the consumer away, or its leader changed. */
class Interrupted extends Error {
  override name = "Interrupted";
}

/** Messages of one consumer on their way to `take`, one at a time, until it is stopped. */
export class Follower {
  readonly #name: string;
  readonly #bind: () => Promise<Bound>;
  readonly #take: (delivery: Delivery) => Promise<void>;
  readonly #told: (error: unknown) => void;
  #pull: Pull | undefined;
  #isStopping = false;
  #paused = new Deferred<void>();
  #running: Promise<void> = Promise.resolve();

  /**
   * `name`: of the consumer, for errors; `bind` makes the consumer where it is missing; `take` handles a message and
   * acknowledges it; `told` hears of interruptions, which pass by themselves.
   */
  constructor(
    name: string,
    bind: () => Promise<Bound>,
    take: (delivery: Delivery) => Promise<void>,
    told: (error: unknown) => void,
  ) {
    this.#name = name;
    this.#bind = bind;
    this.#take = take;
    this.#told = told;
  }

  /** Make the consumer where it is missing, and follow it. Throws NoAnswer and its kinds. */
  async start(): Promise<void> {
    let bound: Bound;
    try {
      bound = await this.#bind();
    } catch (error) {
      throw failure(`the stream of ${this.#name}`, error);
    }
    this.#running = this.#run(bound);
    this.#running.catch(() => {}); // `closed` tells it.
  }

  /** Take no further message; the one under way is finished. */
  stop(): void {
    this.#isStopping = true;
    this.#paused.resolve();
    this.#pull?.settle();
  }

  /** When it has stopped. Throws what else ended it. */
  get closed(): Promise<void> {
    return this.#running;
  }

  async #run(first: Bound): Promise<void> {
    let bound: Bound | undefined = first;
    while (bound !== undefined && !this.#isStopping) {
      try {
        await this.#follow(bound);
      } catch (error) {
        if (!(error instanceof Interrupted) && !isOutage(error)) throw error;
        this.#told(error);
      }
      bound = await this.#bindAgain();
    }
  }

  /** However long that takes; undefined where it is stopped. */
  async #bindAgain(): Promise<Bound | undefined> {
    while (!this.#isStopping) {
      const timer = setTimeout(() => this.#paused.resolve(), REBIND_MILLISECONDS);
      await this.#paused.promise;
      clearTimeout(timer);
      if (this.#isStopping) return undefined;
      this.#paused = new Deferred();
      try {
        return await this.#bind();
      } catch (error) {
        if (!isOutage(error)) throw error;
      }
    }
    return undefined;
  }

  async #follow(bound: Bound): Promise<void> {
    const pull = new Pull(bound);
    this.#pull = pull;
    try {
      while (!this.#isStopping) {
        const message = await pull.next();
        if (message === undefined) continue;
        const delivery = new Delivery(bound.nats, message);
        if (this.#isStopping) delivery.nak();
        else await this.#take(delivery);
      }
    } finally {
      this.#pull = undefined;
      for (const message of await pull.end()) new Delivery(bound.nats, message).nak();
    }
  }
}

/** Asks a consumer for one message after another. */
class Pull {
  readonly #bound: Bound;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #arrived: Msg[] = [];
  #waiting = new Deferred<void>();
  #denied: Error | undefined;
  #askedAt = 0;
  #hasEnded = false;

  constructor(bound: Bound) {
    this.#bound = bound;
    this.#inbox = createInbox(bound.inboxPrefix);
    this.#subscription = bound.nats.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error === null) this.#arrived.push(message);
        else this.#denied = error;
        this.#waiting.resolve();
      },
    });
    void this.#watch();
  }

  /** The next message; undefined where none came in time. Throws Interrupted, errors of NATS. */
  async next(): Promise<Msg | undefined> {
    if (this.#bound.nats.isClosed()) throw new Interrupted("the connection was closed");
    if (this.#denied !== undefined) throw this.#denied;
    if (this.#arrived.length === 0) {
      this.#waiting = new Deferred();
      this.#ask();
      const timer = setTimeout(() => this.#waiting.resolve(), FETCH_MILLISECONDS + 1000);
      await this.#waiting.promise;
      clearTimeout(timer);
    }
    if (this.#denied !== undefined) throw this.#denied;
    const message = this.#arrived.shift();
    const status = message?.headers?.code ?? 0;
    if (status === 409 || status === 503) throw new Interrupted(message?.headers?.description ?? `status ${status}`);
    return status === 0 ? message : undefined;
  }

  #ask(): void {
    const { stream, consumer } = this.#bound;
    const request = { batch: 1, expires: FETCH_MILLISECONDS * NANOSECONDS };
    this.#askedAt = performance.now();
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#bound.nats.publish(subject, JSON.stringify(request), { reply: this.#inbox });
  }

  /** What was asked of a server that is gone is asked again. */
  async #watch(): Promise<void> {
    for await (const status of this.#bound.nats.status()) {
      if (this.#hasEnded) return;
      if (status.type === "reconnect") this.#waiting.resolve();
      if (status.type === "error" && status.error.message.includes("$JS.API.CONSUMER.MSG.NEXT")) {
        this.#denied = status.error;
        this.#waiting.resolve();
      }
    }
    this.#waiting.resolve();
  }

  /** End the wait for a message, not just after one was asked for. */
  settle(): void {
    const left = this.#askedAt + SETTLED_MILLISECONDS - performance.now();
    setTimeout(() => this.#waiting.resolve(), Math.max(left, 0));
  }

  /** Close the inbox; the messages that came meanwhile. */
  async end(): Promise<Msg[]> {
    this.#hasEnded = true;
    if (!this.#bound.nats.isClosed()) {
      const over = new Deferred<void>();
      const timer = setTimeout(() => over.resolve(), 1000); // Without a connection a drain waits for one.
      await Promise.race([this.#subscription.drain().catch(() => {}), over.promise]);
      clearTimeout(timer);
    }
    return this.#arrived.splice(0).filter((message) => (message.headers?.code ?? 0) === 0);
  }
}

/**
 * The connection to NATS: it sends nothing while it is disconnected, takes a reply to any attempt of a request, and
 * throws a refusal of NATS at once, by its cause.
 */

import {
  createInbox,
  type Msg,
  type NatsConnection,
  errors as nats,
  headers as natsHeaders,
  nuid,
} from "@nats-io/nats-core";
import { type Bounds, TimeOver } from "./bounds.js";
import { Deferred } from "./deferred.js";
import { MalformedMessage, NatsLoginRefused, NatsPermissionDenied, type NoAnswer } from "./errors.js";
import { randomHex } from "./random.js";

/** How long the server may take to say whether we may listen; the next request asks again. */
const LISTEN_MILLISECONDS = 2000;

/** Thrown to a request that waits or is to be sent while there is no connection. */
export class Disconnected extends Error {
  override name = "Disconnected";
}

/** Thrown where no service listens to a request. */
export class NoResponders extends Error {
  override name = "NoResponders";
}

/** One connection, which comes back by itself until it is closed. */
export class Connection {
  /** Why no server lets it in again, while that is so. */
  refusal: NoAnswer | undefined;
  /** The newest error of the connection, for requests that fail meanwhile. */
  fault: Error | undefined;
  readonly nats: NatsConnection;
  /** The one that the NATS user may listen on. */
  readonly inboxPrefix: string;
  readonly #inbox: string;
  readonly #questions = new Map<string, Question>();
  #isConnected = true;
  #isSubscribed = false;
  #listening: Promise<void> | undefined;
  #cannotListen: NatsPermissionDenied | undefined;

  /** `inboxPrefix`: the one that the NATS user may listen on. */
  constructor(connection: NatsConnection, inboxPrefix: string) {
    this.nats = connection;
    this.inboxPrefix = inboxPrefix;
    this.#inbox = `${createInbox(inboxPrefix)}.`;
    void this.#watch();
  }

  get isClosed(): boolean {
    return this.nats.isClosed();
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.isClosed;
  }

  /** Disconnect, and end the requests that wait. */
  async close(): Promise<void> {
    await this.nats.close();
    this.#lose();
  }

  /** A request that may be sent again and again; the reply that comes first counts. End it with `question.end()`. */
  question(subject: string): Question {
    // The ids of nats.js count up: a page that hears one reply of another page could forge the next.
    const question = new Question(this, subject, randomHex(11), (token) => this.#questions.delete(token));
    this.#questions.set(question.token, question);
    return question;
  }

  /** Publish a message that is not answered. It is lost where there is no connection just now. */
  tell(subject: string, data: Uint8Array): void {
    if (this.isConnected) this.nats.publish(subject, data, { reply: this.#inbox + nuid.next() });
  }

  /** The beginning of the subjects of our replies. Throws NatsPermissionDenied, Disconnected, TimeOver. */
  async listen(bounds: Bounds): Promise<string> {
    if (!this.isConnected) throw new Disconnected();
    if (this.#cannotListen !== undefined) throw this.#cannotListen;
    if (this.#listening === undefined) {
      const listening = this.#startListening();
      this.#listening = listening;
      listening.catch(() => {
        if (this.#listening === listening) this.#listening = undefined;
      });
    }
    await bounds.wait(this.#listening, LISTEN_MILLISECONDS);
    if (this.#cannotListen !== undefined) throw this.#cannotListen;
    return this.#inbox;
  }

  /** Wait until the server has taken the subscription or refused it, before any request is sent. */
  async #startListening(): Promise<void> {
    try {
      if (!this.#isSubscribed) {
        this.#isSubscribed = true;
        this.nats.subscribe(`${this.#inbox}*`, { callback: (error, message) => this.#take(error, message) });
      }
      await this.nats.flush();
    } catch {
      throw new Disconnected();
    }
  }

  #take(error: Error | null, message: Msg): void {
    if (error === null) {
      this.#questions.get(message.subject.slice(this.#inbox.length))?.take(message);
      return;
    }
    this.#isSubscribed = false; // nats.js has removed the subscription.
    this.#cannotListen = new NatsPermissionDenied(
      `the NATS user may not listen at ${this.#inbox}*, where its replies come: is it another user's inboxPrefix?`,
    );
    for (const question of this.#questions.values()) question.fail(this.#cannotListen);
  }

  async #watch(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === "disconnect") this.#lose();
      else if (status.type === "reconnect") this.#return();
      else if (status.type === "error") this.#note(status.error);
    }
    this.#lose();
  }

  #lose(): void {
    this.#isConnected = false;
    this.#listening = undefined;
    for (const question of this.#questions.values()) question.fail(new Disconnected());
  }

  #return(): void {
    this.#isConnected = true;
    this.refusal = this.fault = undefined;
    // The permissions of the NATS user can have changed.
    this.#listening = this.#cannotListen = undefined;
  }

  #note(error: Error): void {
    this.fault = error;
    if (error instanceof nats.PermissionViolationError) {
      if (error.operation === "publish") this.#deny(error.subject);
    } else if (isLoginRefused(error)) this.refusal = loginRefused(this.nats.getServer());
  }

  /** Tell the callers who wait for a reply that cannot come. */
  #deny(subject: string): void {
    for (const question of this.#questions.values()) {
      if (subject === question.subject || subject === this.#inbox + question.token) {
        question.fail(new NatsPermissionDenied(`the NATS user may not publish to ${question.subject}`));
      }
    }
  }
}

/** A request and its repeats, from the first one sent to the reply. */
export class Question {
  readonly subject: string;
  readonly token: string;
  readonly #connection: Connection;
  readonly #forget: (token: string) => void;
  #answer = new Deferred<Msg>();

  constructor(connection: Connection, subject: string, token: string, forget: (token: string) => void) {
    this.#connection = connection;
    this.subject = subject;
    this.token = token;
    this.#forget = forget;
  }

  /** Send it, or send it again. Throws Disconnected, NatsPermissionDenied, TimeOver, MalformedMessage. */
  async send(data: Uint8Array, headers: ReadonlyMap<string, string>, bounds: Bounds): Promise<void> {
    const inbox = await this.#connection.listen(bounds);
    const sent = natsHeaders();
    for (const [name, value] of headers) sent.set(name, value);
    try {
      this.#connection.nats.publish(this.subject, data, { reply: inbox + this.token, headers: sent });
    } catch (error) {
      if (error instanceof nats.InvalidArgumentError) {
        throw new MalformedMessage("the body is larger than NATS lets pass");
      }
      throw new Disconnected();
    }
  }

  /** The next reply. Throws NoResponders, Disconnected, NatsPermissionDenied, and TimeOver after `milliseconds`. */
  async reply(milliseconds: number, bounds: Bounds): Promise<Msg> {
    let isTaken = true;
    try {
      const message = await bounds.wait(this.#answer.promise, milliseconds);
      if (message.data.length === 0 && message.headers?.code === 503) throw new NoResponders();
      return message;
    } catch (error) {
      isTaken = !(error instanceof TimeOver); // A reply that comes later is taken by the next attempt.
      throw error;
    } finally {
      if (isTaken) this.#answer = new Deferred<Msg>();
    }
  }

  /** A reply has come. */
  take(message: Msg): void {
    this.#answer.resolve(message);
  }

  /** No reply can come. */
  fail(error: Error): void {
    this.#answer.promise.catch(() => {}); // Perhaps no attempt waits for it.
    this.#answer.reject(error);
  }

  /** No reply is waited for any more. */
  end(): void {
    this.#forget(this.token);
  }
}

/** Whether the server refuses the login; a repeat does not help. */
export function isLoginRefused(error: unknown): boolean {
  return error instanceof nats.AuthorizationError || error instanceof nats.UserAuthenticationExpiredError;
}

/** `where`: the server, as host and port. */
export function loginRefused(where: string): NatsLoginRefused {
  return new NatsLoginRefused(
    `NATS at ${where} refuses the login: wrong user or password, or no user was given (user, password)`,
  );
}

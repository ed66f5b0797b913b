/** Sends requests over NATS, repeats them safely, and remembers what this client has seen of the log. */

import type { Msg, NatsConnection } from "@nats-io/nats-core";
import * as arguments_ from "./arguments.js";
import { Attempts } from "./attempts.js";
import { Bounds, TimeOver } from "./bounds.js";
import { Connection, Disconnected, NoResponders } from "./connection.js";

import { DenizenError, fromBody, NoAnswer, Unavailable, ValidationFailed } from "./errors.js";
import * as h from "./generated/headers.js";
import type { SealingKey } from "./generated/messages.js";
import { OPERATIONS, type Operation, type OperationId } from "./generated/operations.js";
import { decoded, encoded } from "./json.js";
import { randomHex } from "./random.js";
import { ReplyKey, seal } from "./sealing.js";
import { Seen } from "./seen.js";

/** How long one attempt is waited for, before the same request is sent again. */
const ATTEMPT_MILLISECONDS = 2500;
/** The pause between attempts to connect, on average. */
const REDIAL_MILLISECONDS = 250;
/** How long a sealing key is used before it is asked for again; a retired one still opens for ten minutes. */
const SEALING_KEY_MILLISECONDS = 240_000;
const COMMAND_ID_FORM = new RegExp(`^${h.COMMAND_ID_FORM}$`);
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** The options of every query. */
export interface QueryOptions {
  /** Milliseconds in all, repeats included. */
  timeout?: number | undefined;
  /** Ends the call: it then throws the signal's reason. A command that was sent may still be done. */
  signal?: AbortSignal | undefined;
}

/** The options of every command. */
export interface CommandOptions extends QueryOptions {
  /**
   * 1 to 128 visible ASCII characters; a repeat within 24 h gets the first reply and changes nothing. It is kept as
   * plain text: choose one that says nothing about a person.
   */
  idempotencyKey?: string | undefined;
  /** The version of the user that you have seen; another one throws `VersionConflict`. */
  expectedVersion?: number | undefined;
  /** An opaque id of the caller, for the user's history. */
  actor?: string | undefined;
}

const QUERY_OPTIONS = ["timeout", "signal"] as const;
const COMMAND_OPTIONS = [...QUERY_OPTIONS, "idempotencyKey", "expectedVersion", "actor"] as const;

/** How a transport reaches NATS. */
export interface Dialing {
  /** Connects once. Throws NoAnswer and its kinds where a repeat would not help, and any other error where it may. */
  dial(): Promise<NatsConnection>;
  /** The NATS user: each listens on an inbox of its own, and a front end asks on subjects of its own. */
  user: string;
  inboxPrefix: string;
  /** The servers, without the passwords that their addresses may hold. */
  where: string;
}

/** What a command takes besides its body and its options. */
interface Sending {
  /** Ask in the name of the user of this access token. */
  token?: string | undefined;
  /** An access token that is sent along, and asks in no user's name. */
  proof?: string | undefined;
  /** Milliseconds that one attempt is waited for. */
  attempt?: number | undefined;
}

/** A reply: its octets, and a header by its name, "" where it has none. */
export interface Reply {
  data: Uint8Array;
  header(name: string): string;
}

/** The name of an operation; a signed-in user and a front end ask for some on subjects of their own. */
export type OperationName = OperationId extends infer Id
  ? Id extends `Self${infer Name}` | `Public${infer Name}`
    ? Name
    : Id
  : never;

/** One connection to NATS, opened when it is first needed. */
export class Transport {
  readonly #dialing: Dialing;
  readonly #timeout: number;
  readonly #seen = new Seen();
  /** Whether many callers share the NATS user, who may hear the replies to each other. */
  readonly #isShared: boolean;
  #connection: Connection | undefined;
  #connecting: Promise<Connection> | undefined;
  #waiting = 0;
  #fault: unknown;
  #isClosed = false;
  #sealing: { key: SealingKey; until: number } | undefined;

  constructor(dialing: Dialing, timeout: number) {
    this.#dialing = dialing;
    this.#isShared = dialing.user.startsWith("browser-");
    this.#timeout = arguments_.milliseconds("timeout", timeout);
  }

  /** The connection. Throws NoAnswer where there is none within the time, and Error after `close`. */
  async connection(bounds = new Bounds(this.#timeout)): Promise<Connection> {
    if (this.#isClosed) throw new Error("the client is closed");
    if (this.#connection !== undefined && !this.#connection.isClosed) return this.#connection;
    this.#waiting += 1;
    try {
      this.#connecting ??= this.#connect().finally(() => {
        this.#connecting = undefined;
      });
      return await bounds.wait(this.#connecting);
    } catch (error) {
      throw error instanceof TimeOver ? this.#unreachable(this.#fault) : error;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Connect, as often as it takes, while a call waits for it. */
  async #connect(): Promise<Connection> {
    this.#fault = undefined; // One of an earlier connection says nothing of this one.
    while (true) {
      try {
        const connection = new Connection(await this.#dialing.dial(), this.#dialing.inboxPrefix);
        if (!this.#isClosed) {
          this.#connection = connection;
          return connection;
        }
        await connection.close();
      } catch (error) {
        if (error instanceof DenizenError) throw error;
        this.#fault = error;
      }
      if (this.#isClosed) throw new Error("the client is closed");
      if (this.#waiting === 0) throw this.#unreachable(this.#fault);
      await new Promise((resolve) => setTimeout(resolve, REDIAL_MILLISECONDS * (0.5 + Math.random())));
    }
  }

  #unreachable(reason: unknown): NoAnswer {
    const said = reason instanceof Error && reason.message !== "" ? reason.message : "nothing answers in time";
    return new NoAnswer(`no NATS server lets us in at ${this.#dialing.where}: ${said}`, { cause: reason });
  }

  /** The reply of a command. Throws DenizenError. */
  async command<T>(name: OperationName, body: object, options?: CommandOptions, sending: Sending = {}): Promise<T> {
    const { idempotencyKey, expectedVersion, actor, signal, timeout } = arguments_.options(options, COMMAND_OPTIONS);
    const operation = this.#operation(name, sending.token);
    arguments_.fields(name, body, operation.fields);
    const milliseconds = this.#milliseconds(timeout);
    const bounds = new Bounds(milliseconds, signal);
    const commandId = idempotencyKey === undefined ? newCommandId() : arguments_.text("idempotencyKey", idempotencyKey);
    // nats.js strips the value of a header, and secrets are sealed for the id as it was given.
    if (!COMMAND_ID_FORM.test(commandId)) {
      throw new ValidationFailed("an idempotencyKey must be 1 to 128 visible ASCII characters", {
        field: h.COMMAND_ID,
      });
    }
    const headers = new Map([
      [h.COMMAND_ID, commandId],
      [h.DEADLINE, new Date(Date.now() + milliseconds).toISOString()],
    ]);
    if (expectedVersion !== undefined) {
      headers.set(h.EXPECTED_VERSION, String(arguments_.whole("expectedVersion", expectedVersion)));
    }
    if (actor !== undefined) headers.set(h.ACTOR, arguments_.text("actor", actor));
    const bearer = sending.token ?? sending.proof;
    if (bearer !== undefined) headers.set(h.AUTHORIZATION, `Bearer ${bearer}`);
    const sealed = await this.#sealed(operation, body, commandId, bounds);
    const mark = this.#seen.mark();
    const reply = await this.#ask(operation.subject, encoded(sealed), headers, bounds, { attempt: sending.attempt });
    this.#seen.note(reply.header(h.POSITION), mark, operation.kind === "public" || operation.kind === "self");
    return decoded<T>(reply.data);
  }

  /** A front end may ask for little, and asks for it on subjects of its own. */
  #operation(name: OperationName, token: string | undefined): Operation {
    const table: Record<string, Operation> = OPERATIONS;
    if (token !== undefined) return known(table[`Self${name}`], name);
    const isFrontend = /^(frontend$|frontend-|browser-)/.test(this.#dialing.user);
    return known((isFrontend ? table[`Public${name}`] : undefined) ?? table[name], name);
  }

  /** The body with its secrets sealed for Denizen, and for this command alone. */
  async #sealed(operation: Operation, body: object, commandId: string, bounds: Bounds): Promise<object> {
    const sealed: Record<string, unknown> = { ...body };
    for (const field of operation.secrets) {
      if (sealed[field] === undefined || sealed[field] === null) continue;
      const secret = arguments_.text(field, sealed[field]);
      if (secret === "") throw new ValidationFailed("must not be empty", { field });
      sealed[field] = await this.sealed(secret, commandId, bounds);
    }
    return sealed;
  }

  /** A secret, sealed for Denizen and for the command with this id. Throws DenizenError. */
  async sealed(secret: string, commandId: string, bounds: Bounds): Promise<string> {
    if (this.#sealing === undefined || performance.now() > this.#sealing.until) {
      const key = await this.#query<SealingKey>("GetSealingKey", {}, bounds);
      this.#sealing = { key, until: performance.now() + SEALING_KEY_MILLISECONDS };
    }
    return seal(secret, commandId, this.#sealing.key.keyId, this.#sealing.key.publicKey);
  }

  /** The reply of a query, which shows at least all that this client has seen. Throws DenizenError. */
  async query<T>(name: OperationName, body: object, options?: QueryOptions, token?: string): Promise<T> {
    const { signal, timeout } = arguments_.options(options, QUERY_OPTIONS);
    arguments_.fields(name, body, this.#operation(name, token).fields);
    return this.#query<T>(name, body, new Bounds(this.#milliseconds(timeout), signal), token);
  }

  async #query<T>(name: OperationName, body: object, bounds: Bounds, token?: string): Promise<T> {
    const mark = this.#seen.mark();
    const headers = new Map(Object.entries(this.#seen.demand()));
    if (token !== undefined) headers.set(h.AUTHORIZATION, `Bearer ${token}`);
    const { subject } = this.#operation(name, token);
    const reply = await this.#ask(subject, encoded(body), headers, bounds);
    this.#seen.note(reply.header(h.POSITION), mark, true);
    return decoded<T>(reply.data);
  }

  /** How long a call may take. Throws TypeError, RangeError. */
  #milliseconds(timeout: number | undefined): number {
    return timeout === undefined ? this.#timeout : arguments_.milliseconds("timeout", timeout);
  }

  /**
   * A reply that is no JSON. Throws DenizenError.
   *
   * `attempt`: milliseconds that one attempt is waited for; `gone`: NoAnswer is thrown if no service listens for so
   * many milliseconds.
   */
  async piece(subject: string, body: object, bounds: Bounds, how: { attempt: number; gone?: number }): Promise<Reply> {
    return this.#ask(subject, encoded(body), new Map(Object.entries(this.#seen.demand())), bounds, how);
  }

  /** Ask for a subscriber's durable. Throws DenizenError; `gone` as for `piece`. */
  async subscriber(
    name: "FollowEvents" | "SetParkedEvent",
    durable: string,
    body: object,
    gone?: number,
  ): Promise<void> {
    const subject = OPERATIONS[name].subject.replace(/\*$/, durable);
    await this.#ask(subject, encoded(body), new Map(), new Bounds(this.#timeout), { gone });
  }

  /** Publish a hint. It is not waited for, and it is lost if there is no connection just now. */
  tell(subject: string, body: object): void {
    this.#connection?.tell(subject, encoded(body));
  }

  /** Note a log position that the client has seen: its later queries show at least that. */
  seen(position: number): void {
    this.#seen.number(position);
  }

  /** The next query shows all that is committed when it arrives. */
  seeLatest(): void {
    this.#seen.latest();
  }

  /**
   * Ask until there is an answer or the time is over: the command id makes a repeat harmless.
   *
   * A reply to an earlier attempt counts like one to the last. When the time is over, a refusal that came is thrown.
   */
  async #ask(
    subject: string,
    data: Uint8Array,
    headers: ReadonlyMap<string, string>,
    bounds: Bounds,
    how: { attempt?: number | undefined; gone?: number | undefined } = {},
  ): Promise<Reply> {
    for (const [name, value] of headers) {
      // A line break would begin another header.
      if (CONTROL.test(value)) throw new ValidationFailed("holds control characters", { field: name });
    }
    const seconds = (bounds.left() / 1000).toFixed(1).replace(/\.0$/, "");
    const silence = new NoAnswer(`no answer to ${subject.slice(subject.lastIndexOf(".") + 1)} within ${seconds} s`);
    const attempts = new Attempts(bounds, silence, how.gone);
    const attempt = how.attempt ?? ATTEMPT_MILLISECONDS;
    const key = this.#isShared ? await ReplyKey.make() : undefined;
    const sent = key === undefined ? headers : new Map([...headers, [h.REPLY_KEY, key.header]]);
    if (bounds.left() === 0) throw silence;
    try {
      while (true) {
        const connection = await this.connection(bounds);
        const reply = await this.#insist(connection, attempts, subject, data, sent, attempt, bounds, key);
        if (reply !== undefined) return reply;
      }
    } catch (error) {
      throw error instanceof TimeOver ? attempts.refusal : error;
    }
  }

  /** Ask again and again over one connection; undefined where it was closed. */
  async #insist(
    connection: Connection,
    attempts: Attempts,
    subject: string,
    data: Uint8Array,
    headers: ReadonlyMap<string, string>,
    attempt: number,
    bounds: Bounds,
    key: ReplyKey | undefined,
  ): Promise<Reply | undefined> {
    const question = connection.question(subject);
    try {
      while (!connection.isClosed) {
        try {
          await question.send(data, headers, bounds);
          attempts.sent = true;
          const reply = replyOf(await question.reply(attempt, bounds), key);
          if (reply.header(h.SERVICE_ERROR_CODE) === "") return reply;
          throw fromBody(decoded<{ error: Parameters<typeof fromBody>[0] }>(reply.data).error);
        } catch (error) {
          this.#judge(error, connection, attempts, subject);
        }
        await attempts.pause();
      }
      return undefined;
    } finally {
      question.end();
    }
  }

  /** Note why an attempt failed. Throws the error where another attempt would not help. */
  #judge(error: unknown, connection: Connection, attempts: Attempts, subject: string): void {
    if (error instanceof Unavailable) {
      attempts.refusal = error;
    } else if (error instanceof NoResponders) {
      attempts.noResponders(`no service answers ${subject}: is Denizen running?`);
    } else if (error instanceof Disconnected || error instanceof TimeOver) {
      if (connection.refusal !== undefined) throw attempts.loginRefused(connection.refusal);
      if (!connection.isConnected) {
        attempts.notAsked(this.#unreachable(connection.fault ?? new Error("the connection was lost")));
      }
    } else {
      throw error;
    }
  }

  /** Let it connect again. */
  open(): void {
    this.#isClosed = false;
  }

  /** Disconnect. Twice is harmless. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }
}

/** The reply that a message holds: sealed for the key, where there is one. A refusal may be unsealed. Throws NoAnswer. */
function replyOf(message: Msg, key: ReplyKey | undefined): Reply {
  const header = (name: string): string => message.headers?.get(name) ?? "";
  const isSealed = header(h.SEALED_REPLY) !== "";
  if (key === undefined || (!isSealed && header(h.SERVICE_ERROR_CODE) !== "")) return { data: message.data, header };
  if (!isSealed) throw new NoAnswer("the reply is not sealed, so others may have read it: update Denizen");
  const { headers, body } = key.open(message.data);
  return { data: encoded(body), header: (name) => headers[name] ?? "" };
}

function known(operation: Operation | undefined, name: string): Operation {
  if (operation === undefined) throw new TypeError(`there is no operation ${name} for this caller`);
  return operation;
}

/** Unique, and ascending with time, which keeps the index of ids small. */
function newCommandId(): string {
  const time = (BigInt(Date.now()) * 1_000_000n).toString(16).padStart(16, "0");
  return time + randomHex(8);
}

/**
 * Follows the NATS bucket `users_revocations`, which says whose tokens are refused, and proves that nothing is missing.
 *
 * Its entries are `user.<userId>` with `{"position": P}` (sessions that began before place P of the user's own history,
 * the claim `pos` of their tokens, have ended), `session.<sessionId>` and `key.<keyId>` with `{}` (that session, or what
 * that key signed, is over), and `filled`, by which the relay tells that nothing of the log's last hour is missing. An
 * entry is only ever replaced by a larger one, so they can be taken in any order, and twice (docs/decisions/0013).
 */

import { createInbox, type Msg, type NatsConnection, errors as nats, type Subscription } from "@nats-io/nats-core";
import { Deferred } from "./deferred.js";
import { JetStreamUnavailable } from "./errors.js";
import { parseStrictly } from "./strict-json.js";

const STREAM = "KV_users_revocations";
const KEYS = "$KV.users_revocations.";
/** Where NATS repeats each entry as soon as it is stored. */
const LIVE = "users.v1.revocation.>";
const FILLED = "filled";
/** How long an entry is kept: longer than any access token lives (an hour), by the clocks' difference. */
const KEPT_MILLISECONDS = 75 * 60_000;
const INFO = `$JS.API.STREAM.INFO.${STREAM}`;
const GET = `$JS.API.DIRECT.GET.${STREAM}`;
const GET_OF_LEADER = `$JS.API.STREAM.MSG.GET.${STREAM}`;
const PAGE = 1000;
/** Error numbers of JetStream: not enabled for the account, not enabled for the server. */
const NOT_ENABLED = [10039, 10076];
const NONE = -1n;

/** The bucket is missing, or says what it should not. */
export class BucketUnreadable extends Error {
  override name = "BucketUnreadable";
}

/** The entries. An entry is forgotten between once and twice KEPT_MILLISECONDS later. */
class Table {
  #new = new Map<string, bigint>();
  #old: ReadonlyMap<string, bigint> = new Map();
  #began = performance.now();

  add(key: string, position: bigint): void {
    if (performance.now() - this.#began > KEPT_MILLISECONDS) {
      [this.#new, this.#old] = [new Map(), this.#new];
      this.#began = performance.now();
    }
    const known = this.get(key);
    this.#new.set(key, position > known ? position : known);
  }

  /** The position of an entry, -1 where there is none. */
  get(key: string): bigint {
    const [young, old] = [this.#new.get(key) ?? NONE, this.#old.get(key) ?? NONE];
    return young > old ? young : old;
  }
}

interface StreamInfo {
  error?: { code: number; err_code?: number };
  created: string;
  config: { num_replicas: number };
  cluster?: { leader?: string };
  state: { last_seq: number };
}

/**
 * Follows the bucket over one connection at a time.
 *
 * The entries come by a plain subscription: a consumer of JetStream for each verifier would come later, die of
 * reconnects, and need rights by which one can do harm. What proves that none was missed are the sequence numbers.
 */
export class Watch {
  /** As of when (performance.now) all that was in the bucket is known here. */
  freshAt = Number.NEGATIVE_INFINITY;
  readonly #table = new Table();
  #nats: NatsConnection | undefined;
  #live: Subscription | undefined;
  /** Every entry up to this sequence number that still counts is in the table. */
  #knownTo = 0;
  #run = "";
  #isFilled = false;
  #isInterrupted = false;
  readonly #inboxPrefix: string;

  /** `inboxPrefix`: the one that the NATS user may listen on. */
  constructor(inboxPrefix: string) {
    this.#inboxPrefix = inboxPrefix;
  }

  /** Whether a token's session has ended, or its key was dropped. */
  hasEnded(userId: string, sessionId: string, position: bigint, keyId: string): boolean {
    return (
      position < this.#table.get(`user.${userId}`) ||
      this.#table.get(`session.${sessionId}`) !== NONE ||
      this.#table.get(`key.${keyId}`) !== NONE
    );
  }

  /**
   * Learn how far the bucket is, read what is missing, and note that. Each answer may take `milliseconds`.
   *
   * Throws BucketUnreadable, JetStreamUnavailable, and errors of nats.js: then nothing is proved.
   */
  async prove(connection: NatsConnection, milliseconds: number): Promise<void> {
    if (connection !== this.#nats) this.#follow(connection);
    if (this.#isInterrupted) {
      this.#isInterrupted = false;
      this.#knownTo = 0;
    }
    const asked = performance.now();
    const info = await infoOf(connection, milliseconds);
    const last = info.state.last_seq;
    const run = `${info.created}/${info.config.num_replicas === 1 ? (info.cluster?.leader ?? "") : ""}`;
    if (run !== this.#run || last < this.#knownTo) {
      this.#run = run;
      this.#isFilled = false;
      this.#knownTo = 0;
    }
    if (this.#knownTo < last) {
      while (await this.#readOn(connection, milliseconds));
    }
    if (this.#knownTo < last && (await isGone(connection, last, milliseconds))) this.#knownTo = last;
    if (!this.#isFilled) throw new BucketUnreadable("the relay has not filled the bucket yet");
    if (this.#knownTo >= last && !this.#isInterrupted) this.freshAt = asked;
  }

  #follow(connection: NatsConnection): void {
    this.#live?.unsubscribe();
    this.#isInterrupted = true;
    this.#nats = connection;
    this.#live = connection.subscribe(LIVE, {
      callback: (error, message) => {
        if (error !== null) return; // A missing permission: the entries come late, when the bucket is read.
        const sequence = this.#take(message);
        if (sequence === this.#knownTo + 1) this.#knownTo = sequence;
      },
    });
    void this.#noteInterruptions(connection);
  }

  /** A server that comes back may have lost entries, and numbered others like them. */
  async #noteInterruptions(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "disconnect" && connection === this.#nats) this.#isInterrupted = true;
    }
  }

  /** Read a page of the entries behind `#knownTo`; is there more? (NATS ADR-31, batched direct get). */
  async #readOn(connection: NatsConnection, milliseconds: number): Promise<boolean> {
    const ended = new Deferred<Msg>();
    const inbox = createInbox(this.#inboxPrefix);
    const page = connection.subscribe(inbox, {
      callback: (error, message) => {
        try {
          if (error !== null) ended.reject(error);
          else if ((message.headers?.code ?? 0) === 0) this.#knownTo = Math.max(this.#knownTo, this.#take(message));
          else ended.resolve(message);
        } catch (failure) {
          ended.reject(failure);
        }
      },
    });
    const timer = setTimeout(() => ended.reject(new nats.TimeoutError()), milliseconds);
    try {
      const wanted = { seq: this.#knownTo + 1, batch: PAGE, next_by_subj: `${KEYS}>` };
      connection.publish(GET, JSON.stringify(wanted), { reply: inbox });
      const { headers } = await ended.promise;
      if (headers?.code !== 204 && headers?.code !== 404) {
        throw new BucketUnreadable(`the bucket answers ${headers?.code}`);
      }
      return (headers.get("Nats-Num-Pending") || "0") !== "0";
    } finally {
      clearTimeout(timer);
      page.unsubscribe();
    }
  }

  /**
   * Put an entry into the table; its sequence number, 0 where it is none.
   *
   * Only the headers that nats-server writes count: a caller who may ask JetStream for anything can have the answer
   * sent to any subject, ours included.
   */
  #take(message: Msg): number {
    const subject = message.headers?.get("Nats-Subject") ?? "";
    if (message.headers?.get("Nats-Stream") !== STREAM || !subject.startsWith(KEYS)) return 0;
    const key = subject.slice(KEYS.length);
    const entry = message.data.length === 0 ? new Map() : parseStrictly(message.data);
    if (!(entry instanceof Map)) throw new BucketUnreadable(`the entry ${key} is no object`);
    if (key === FILLED) {
      this.#isFilled ||= entry.get("run") === this.#run;
    } else {
      const position = entry.get("position") ?? 0n;
      if (typeof position !== "bigint") throw new BucketUnreadable(`the entry ${key} has no position`);
      this.#table.add(key, position);
    }
    return Number(message.headers.get("Nats-Sequence"));
  }
}

async function infoOf(connection: NatsConnection, milliseconds: number): Promise<StreamInfo> {
  let reply: Msg;
  try {
    reply = await connection.request(INFO, undefined, { timeout: milliseconds });
  } catch (error) {
    if (isNoResponders(error)) throw unavailable();
    throw error;
  }
  const info = reply.json<StreamInfo>();
  if (info.error === undefined) return info;
  if (NOT_ENABLED.includes(info.error.err_code ?? 0)) throw unavailable();
  throw new BucketUnreadable(`the bucket of revocations answers ${info.error.code}: is the relay running?`);
}

/** Reading did not come to the newest entry: has it expired, or was it an old copy that we read? */
async function isGone(connection: NatsConnection, sequence: number, milliseconds: number): Promise<boolean> {
  const reply = await connection.request(GET_OF_LEADER, JSON.stringify({ seq: sequence }), { timeout: milliseconds });
  return reply.json<{ error?: { code: number } }>().error?.code === 404;
}

function isNoResponders(error: unknown): boolean {
  return error instanceof nats.NoRespondersError || (error instanceof nats.RequestError && error.isNoResponders());
}

function unavailable(): JetStreamUnavailable {
  return new JetStreamUnavailable(
    "the bucket of revocations is out of reach: NATS runs without JetStream, or without it for this user",
  );
}

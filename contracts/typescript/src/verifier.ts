/** Checks access tokens in your own process: `TokenVerifier`. */

import { errors as nats } from "@nats-io/nats-core";
import * as arguments_ from "./arguments.js";
import { Bounds } from "./bounds.js";
import { Deferred } from "./deferred.js";
import {
  DenizenError,
  JetStreamUnavailable,
  NatsLoginRefused,
  NatsPermissionDenied,
  NoAnswer,
  StaleRead,
  TlsFailed,
  TokenInvalid,
} from "./errors.js";
import type { Jwks } from "./generated/messages.js";
import { CLIENT_OPTIONS, type ClientOptions, dialing } from "./node.js";
import { Watch } from "./revocations.js";
import { check, type KeySet, keySet, type TokenClaims, UnknownKey } from "./tokens.js";
import { Transport } from "./transport.js";

const DEFAULT_TIMEOUT = 10_000;
const PROVE_MILLISECONDS = 1000;
const RETRY_MILLISECONDS = 250;
const KEYS_MILLISECONDS = 60_000;
/** How often, at most, the keys are fetched because a token names one that is not known. */
const KEYS_AGAIN_MILLISECONDS = 1000;
/** How much older than the request for them the keys may be that Denizen answers with. */
const KEYS_CACHED_MILLISECONDS = 2500;
/** Ids of keys that are remembered because no such key is known. */
const UNKNOWN_KEYS = 1024;
/** What does not pass by itself: `connect` does not wait for that. */
const FINAL = [JetStreamUnavailable, NatsLoginRefused, NatsPermissionDenied, TlsFailed];

const OPTIONS = [
  ...CLIENT_OPTIONS.filter((name) => name !== "timeout"),
  ...(["issuer", "audience", "staleAfter"] as const),
];

/** The options of a verifier: these, and those of a client. The NATS user may check tokens (`verifier-…`). */
export interface TokenVerifierOptions extends Omit<ClientOptions, "timeout"> {
  /** The claim `iss` of your tokens; `denizen` by default. */
  issuer?: string;
  /** The claim `aud` of your tokens; `denizen` by default. */
  audience?: string;
  /** When the connection is cut, milliseconds until every token is refused; 3,000 by default. */
  staleAfter?: number;
}

/**
 * Checks access tokens. It sends no request: it has the keys, and hears of each revocation.
 *
 * Where it cannot be sure to have heard all (its connection is cut, NATS is away), it refuses every token.
 */
export class TokenVerifier implements AsyncDisposable {
  readonly #issuer: string;
  readonly #audience: string;
  readonly #staleAfter: number;
  readonly #pace: number;
  readonly #transport: Transport;
  readonly #watch: Watch;
  readonly #unknown = new Map<string, number>();
  #keys: KeySet = new Map();
  #keysAt = Number.NEGATIVE_INFINITY;
  #keysWanted = new Deferred<void>();
  #running: AbortController | undefined;
  #why = "it is not connected";

  /** Throws TypeError, RangeError where an option is wrong. */
  constructor(options: TokenVerifierOptions = {}) {
    const {
      issuer = "denizen",
      audience = "denizen",
      staleAfter = 3000,
      ...rest
    } = arguments_.options(options, OPTIONS);
    this.#issuer = arguments_.text("issuer", issuer);
    this.#audience = arguments_.text("audience", audience);
    this.#staleAfter = arguments_.milliseconds("staleAfter", staleAfter);
    this.#pace = Math.min(PROVE_MILLISECONDS, staleAfter / 3);
    const way = dialing(rest);
    this.#transport = new Transport(way, DEFAULT_TIMEOUT);
    this.#watch = new Watch(way.inboxPrefix);
  }

  /** Is all known that was revoked until `staleAfter` ago? For a readiness probe. */
  get isFresh(): boolean {
    return performance.now() - this.#watch.freshAt <= this.#staleAfter;
  }

  /**
   * Verify a token and return its claims. It waits for no server.
   *
   * Throws TokenInvalid where the token is not good, has expired or was revoked (HTTP 401), and StaleRead where this
   * cannot be told right now (HTTP 503).
   */
  async verify(token: string): Promise<TokenClaims> {
    this.#refuseStale();
    const expected = { issuer: this.#issuer, audience: this.#audience };
    try {
      const { claims, keyId } = await check(token, this.#keys, expected);
      // Looked at now, because the signature took its time.
      this.#refuseStale();
      if (this.#watch.hasEnded(claims.userId, claims.sessionId, claims.position, keyId)) {
        throw new TokenInvalid("the session has ended");
      }
      return claims;
    } catch (error) {
      if (error instanceof UnknownKey) this.#lookForKey(error.keyId);
      throw error;
    }
  }

  #refuseStale(): void {
    if (!this.isFresh) throw new StaleRead(`which sessions were ended is not known: ${this.#why}`);
  }

  /**
   * Have the keys fetched for one that is not known. Throws StaleRead until those are here that were asked for long
   * enough after it was first named: younger ones may lack it, although another lookup had them fetched.
   */
  #lookForKey(keyId: string): void {
    const now = performance.now();
    if (this.#unknown.size >= UNKNOWN_KEYS) this.#unknown.clear();
    const first = this.#unknown.get(keyId) ?? now;
    this.#unknown.set(keyId, first);
    if (this.#keysAt >= first + KEYS_CACHED_MILLISECONDS) return;
    if (now - this.#keysAt > KEYS_AGAIN_MILLISECONDS) this.#keysWanted.resolve();
    throw new StaleRead("the token's key is not known yet: it is being fetched");
  }

  /**
   * Learn the keys and what was revoked; then go on listening.
   *
   * Throws NoAnswer after `timeout` milliseconds (10,000 by default), the reason of the signal; TlsFailed,
   * NatsLoginRefused, NatsPermissionDenied and JetStreamUnavailable at once.
   */
  async connect(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<void> {
    if (this.#running !== undefined) return;
    const { timeout = DEFAULT_TIMEOUT, signal } = arguments_.options(options, ["timeout", "signal"]);
    const bounds = new Bounds(arguments_.milliseconds("timeout", timeout), signal);
    const running = new AbortController();
    this.#running = running;
    this.#transport.open();
    const ready = [new Deferred<void>(), new Deferred<void>()] as const;
    for (const each of ready) each.promise.catch(() => {}); // No call waits for it where the other one has failed.
    void this.#followBucket(ready[0], running.signal);
    void this.#followKeys(ready[1], running.signal);
    try {
      await bounds.wait(Promise.all(ready.map((each) => each.promise)));
    } catch (error) {
      const why = this.#why;
      await this.close();
      if (error instanceof DenizenError || signal?.aborted) throw error;
      throw new NoAnswer(`neither keys nor revocations within ${timeout / 1000} s: ${why}`, { cause: error });
    }
  }

  async #followBucket(ready: Deferred<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const began = performance.now();
      let pause = this.#pace;
      try {
        const connection = await this.#transport.connection(new Bounds(this.#pace));
        await this.#watch.prove(connection.nats, this.#pace);
        if (signal.aborted) break;
        if (this.isFresh) ready.resolve();
      } catch (error) {
        this.#failed("revocations", error, ready);
        pause = Math.min(RETRY_MILLISECONDS, this.#pace);
      }
      await waited(began + pause - performance.now(), signal);
    }
    this.#watch.freshAt = Number.NEGATIVE_INFINITY;
  }

  async #followKeys(ready: Deferred<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#keysWanted = new Deferred<void>();
      const askedAt = performance.now();
      try {
        this.#keys = await keySet(await this.#transport.query<Jwks>("GetJwks", {}, { signal }));
        this.#keysAt = askedAt;
        ready.resolve();
      } catch (error) {
        this.#failed("the keys", error, ready);
        await waited(RETRY_MILLISECONDS, signal);
        continue;
      }
      await waited(KEYS_MILLISECONDS, signal, this.#keysWanted.promise);
    }
  }

  /** Note why something is out of reach; `connect` is told where that does not pass by itself. */
  #failed(what: string, error: unknown, ready: Deferred<void>): void {
    const reason = permissionDenied(error) ?? error;
    this.#why = `${what} are out of reach: ${reason instanceof Error ? reason.message : "no reason given"}`;
    if (FINAL.some((kind) => reason instanceof kind)) ready.reject(reason);
  }

  /** Disconnect; from then on every token is refused. Twice is harmless. */
  async close(): Promise<void> {
    this.#running?.abort();
    this.#running = undefined;
    this.#watch.freshAt = Number.NEGATIVE_INFINITY;
    this.#why = "it is not connected";
    await this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Wait so long, or until the signal is aborted, or the work is done. */
async function waited(milliseconds: number, signal: AbortSignal, work?: Promise<void>): Promise<void> {
  const over = new Deferred<void>();
  const end = (): void => over.resolve();
  const timer = setTimeout(end, Math.max(milliseconds, 0));
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  await Promise.race(work === undefined ? [over.promise] : [over.promise, work]);
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
}

function permissionDenied(error: unknown): NatsPermissionDenied | undefined {
  const cause = error instanceof Error && error.cause instanceof nats.PermissionViolationError ? error.cause : error;
  if (!(cause instanceof nats.PermissionViolationError)) return undefined;
  return new NatsPermissionDenied(`the NATS user may not ${cause.operation} ${cause.subject}`);
}

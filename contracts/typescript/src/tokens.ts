/** Access tokens: what one says, and the check of it. What is here does no I/O; `TokenVerifier` fetches the keys. */

import { type CryptoKey, compactVerify, importJWK } from "jose";
import * as arguments_ from "./arguments.js";
import { TokenInvalid } from "./errors.js";
import type { Jwks } from "./generated/messages.js";
import { parseStrictly, type StrictJson } from "./strict-json.js";

/** RFC 8037, and with Ed25519 alone. */
const ALGORITHM = "EdDSA";
/** RFC 9068: a token of another kind is no access token, even with a valid signature (RFC 8725, section 3.11). */
const TYPE = "at+jwt";
/** How many seconds the clock of Denizen may be ahead of ours. `exp` has no leeway. */
const LEEWAY = 60n;
/** Three parts of base64url, bounded before anything is decoded; an Ed25519 signature has 64 octets. */
const FORM = /^([A-Za-z0-9_-]{1,256})\.([A-Za-z0-9_-]{1,2048})\.([A-Za-z0-9_-]{86})$/;
const ID = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const LATEST_TIME = 2n ** 34n;
const LARGEST = 2n ** 63n;

/** Public Ed25519 keys by key id. */
export type KeySet = ReadonlyMap<string, CryptoKey>;

/** The claims of a valid access token. */
export interface TokenClaims {
  userId: string;
  sessionId: string;
  /**
   * Where the session began in the user's own history, the claim `pos`. What ends the user's sessions at a later place
   * revokes this token: no clock is compared. It is no position of the log.
   */
  position: bigint;
  issuedAt: Date;
  expiresAt: Date;
}

/** What a token must say. */
export interface Expected {
  issuer: string;
  audience: string;
}

/** No key of the set has the token's key id: it may be newer than the set. */
export class UnknownKey extends TokenInvalid {
  readonly keyId: string;

  constructor(keyId: string) {
    super("the access token is signed by a key that is not in use");
    this.keyId = keyId;
  }
}

/** A checked token, and the id of the key that signed it. */
export interface Checked {
  claims: TokenClaims;
  keyId: string;
}

/** The keys of a reply of GetJwks. One of another type or use is left out (RFC 7517, section 5). */
export async function keySet(jwks: Jwks): Promise<KeySet> {
  const keys = new Map<string, CryptoKey>();
  for (const { kty, crv, use, alg, kid, x } of jwks.keys) {
    if (kty !== "OKP" || crv !== "Ed25519" || use !== "sig" || alg !== ALGORITHM) continue;
    const key = await importJWK({ kty, crv, x }, ALGORITHM);
    if (!(key instanceof Uint8Array)) keys.set(kid, key);
  }
  return keys;
}

/**
 * The claims of an access token that one of the keys has signed, for the audience, and that has not expired.
 *
 * Whether its session was ended since is not known here. `now` is Unix time in seconds.
 *
 * Throws TokenInvalid for whatever is wrong; UnknownKey, a TokenInvalid, where it may help to fetch the keys again.
 */
export async function check(token: string, keys: KeySet, expected: Expected, now?: number): Promise<Checked> {
  const parts = FORM.exec(arguments_.text("token", token));
  if (parts === null || !parts.slice(1).every((part) => isCanonical(part))) throw invalid();
  const keyId = keyIdOf(parts[1] ?? "");
  const key = keys.get(keyId);
  if (key === undefined) throw new UnknownKey(keyId);
  const payload = await payloadOf(token, key);
  const audience = payload.get("aud");
  const audiences = typeof audience === "string" ? [audience] : audience;
  if (!Array.isArray(audiences) || !audiences.every((each) => typeof each === "string")) throw invalid();
  const claims = {
    userId: idOf(payload.get("sub"), "user"),
    sessionId: idOf(payload.get("sid"), "sess"),
    position: wholeOf(payload.get("pos"), LARGEST),
  };
  const [issuedAt, expiresAt] = [wholeOf(payload.get("iat"), LATEST_TIME), wholeOf(payload.get("exp"), LATEST_TIME)];
  const notBefore = payload.has("nbf") ? wholeOf(payload.get("nbf"), LATEST_TIME) : 0n;
  const issuer = payload.get("iss");
  if (typeof issuer !== "string") throw invalid();
  if (issuer !== expected.issuer || !audiences.includes(expected.audience)) {
    throw new TokenInvalid("the access token is meant for another audience");
  }
  const seconds = now ?? Date.now() / 1000;
  if (Number(expiresAt) <= seconds) throw new TokenInvalid("the access token has expired");
  if (Number((issuedAt > notBefore ? issuedAt : notBefore) - LEEWAY) > seconds) {
    throw new TokenInvalid("the access token is from the future: compare the clocks");
  }
  return { claims: { ...claims, issuedAt: timeOf(issuedAt), expiresAt: timeOf(expiresAt) }, keyId };
}

/** The key id of a header that is ours, nothing of it believed yet. */
function keyIdOf(part: string): string {
  const header = objectOf(octetsOf(part));
  const keyId = header.get("kid");
  // No other parameter is ever ours: jku, jwk, x5u and x5c name keys, crit and b64 change what is signed.
  if (header.size !== 3 || header.get("alg") !== ALGORITHM || header.get("typ") !== TYPE) throw invalid();
  if (typeof keyId !== "string") throw invalid();
  return keyId;
}

async function payloadOf(token: string, key: CryptoKey): Promise<Map<string, StrictJson>> {
  let octets: Uint8Array;
  try {
    octets = (await compactVerify(token, key, { algorithms: [ALGORITHM] })).payload;
  } catch {
    throw invalid();
  }
  return objectOf(octets);
}

function objectOf(octets: Uint8Array): Map<string, StrictJson> {
  let value: StrictJson;
  try {
    value = parseStrictly(octets);
  } catch {
    throw invalid();
  }
  if (!(value instanceof Map)) throw invalid();
  return value;
}

function idOf(value: StrictJson | undefined, kind: string): string {
  if (typeof value !== "string" || !value.startsWith(`${kind}_`) || !ID.test(value.slice(kind.length + 1))) {
    throw invalid();
  }
  return value;
}

function wholeOf(value: StrictJson | undefined, below: bigint): bigint {
  if (typeof value !== "bigint" || value < 0n || value >= below) throw invalid();
  return value;
}

function timeOf(seconds: bigint): Date {
  return new Date(Number(seconds) * 1000);
}

function octetsOf(part: string): Uint8Array {
  const text = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Whether the text is the only one of its octets: the bits behind them are zero. */
function isCanonical(part: string): boolean {
  try {
    const octets = octetsOf(part);
    const text = btoa(String.fromCharCode(...octets))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");
    return text === part;
  } catch {
    return false;
  }
}

function invalid(): TokenInvalid {
  return new TokenInvalid("not a good access token");
}

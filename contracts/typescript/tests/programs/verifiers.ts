/**
 * Verifiers in a process of their own, for the bench: it says and takes what bench/verifier.py does.
 *
 *     node verifiers.js 5
 *
 * It says `ready`; then takes lines `<userId> <token>`, answers `held <userId>` where all take the token, and once the last
 * of them refuses it `<userId> <time>`: since when, in seconds of the clock that all processes of this machine share.
 */

import { createInterface } from "node:readline";
import { TokenInvalid, TokenVerifier } from "@denizen/client";

/** After they have heard of a revocation the verifiers try the token: what that costs is no part of the news. */
const TRIED_MILLISECONDS = 20;
const servers = process.env.DENIZEN_NATS_URL ?? "";
const verifiers = Array.from({ length: Number(process.argv[2]) }, () => new TokenVerifier({ servers }));
const tokens = new Map<string, string>();
/** By user: the tables in which the revocation is noted, one of each verifier. */
const heard = new Map<string, Set<unknown>>();

// The table of a verifier is a Map of its own, to which nothing else has access.
const set = Map.prototype.set;
Map.prototype.set = function <K, V>(this: Map<K, V>, key: K, value: V): Map<K, V> {
  set.call(this, key, value);
  if (typeof key === "string" && key.startsWith("user.")) note(key.slice("user.".length), this);
  return this;
};

function note(user: string, table: unknown): void {
  const tables = heard.get(user);
  const token = tokens.get(user);
  if (tables === undefined || token === undefined || tables.has(table)) return;
  tables.add(table);
  if (tables.size < verifiers.length) return;
  const since = Number(process.hrtime.bigint()) / 1e9;
  heard.delete(user);
  setTimeout(async () => {
    const isRefused = await Promise.all(verifiers.map((verifier) => refuses(verifier, token)));
    if (isRefused.every(Boolean)) console.log(user, since);
  }, TRIED_MILLISECONDS);
}

async function refuses(verifier: TokenVerifier, token: string): Promise<boolean> {
  try {
    await verifier.verify(token);
    return false;
  } catch (error) {
    return error instanceof TokenInvalid;
  }
}

await Promise.all(verifiers.map((verifier) => verifier.connect()));
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [user = "", token = ""] = line.split(" ");
  await Promise.all(verifiers.map((verifier) => verifier.verify(token)));
  tokens.set(user, token);
  heard.set(user, new Set());
  console.log("held", user);
}

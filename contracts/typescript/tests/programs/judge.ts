/** Checks the access tokens of standard input; prints the claims of each, or why it is refused. */

import { text } from "node:stream/consumers";
import type { Jwk } from "@denizen/client";
import { TokenInvalid } from "@denizen/client";
import { check, keySet } from "#client/tokens.js";

interface Given {
  now: number;
  issuer: string;
  audience: string;
  keys: Jwk[];
  tokens: string[];
}

const given = JSON.parse(await text(process.stdin)) as Given;
const keys = await keySet({ keys: given.keys });
for (const token of given.tokens) {
  let said: unknown;
  try {
    const { claims } = await check(token, keys, given, given.now);
    const seconds = [claims.issuedAt, claims.expiresAt].map((time) => time.getTime() / 1000);
    said = [claims.userId, claims.sessionId, String(claims.position), ...seconds];
  } catch (error) {
    if (!(error instanceof TokenInvalid)) throw error;
    said = error.message;
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

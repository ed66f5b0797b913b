import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { TokenInvalid } from "@denizen/client";
import { check, type KeySet, keySet, UnknownKey } from "#client/tokens.js";

interface Corpus {
  now: number;
  issuer: string;
  audience: string;
  keys: { kty: string; crv: string; use: string; alg: string; kid: string; x: string }[];
  tokens: { name: string; token: string; good: boolean }[];
}

const CASES = new URL("../../cases/tokens.json", import.meta.url);
const corpus = JSON.parse(await readFile(CASES, "utf8")) as Corpus;
const KEYS: KeySet = await keySet({ keys: corpus.keys });
const GOOD = corpus.tokens.find((each) => each.good)?.token ?? "";

test("each token of the shared corpus is judged as Python judges it", async () => {
  assert(corpus.tokens.length > 500);
  const wrong: string[] = [];
  for (const { name, token, good } of corpus.tokens) {
    const isGood = await check(token, KEYS, corpus, corpus.now).then(
      () => true,
      (error: unknown) => {
        assert(error instanceof TokenInvalid, name);
        return false;
      },
    );
    if (isGood !== good) wrong.push(name);
  }
  assert.deepEqual(wrong, []);
});

test("a token above the bound of its size is refused before it is decoded", async () => {
  for (const token of ["A".repeat(2 ** 20), ".".repeat(2 ** 20), `${GOOD}${"A".repeat(2 ** 20)}`]) {
    await assert.rejects(check(token, KEYS, corpus, corpus.now), TokenInvalid);
  }
});

test("a token that one changed character distinguishes from a good one is refused", async () => {
  for (let index = 0; index < GOOD.length; index += 1) {
    const other = GOOD[index] === "A" ? "B" : "A";
    await assert.rejects(check(GOOD.slice(0, index) + other + GOOD.slice(index + 1), KEYS, corpus, corpus.now));
  }
});

test("a token of a key that is not in the set is told apart", async () => {
  await assert.rejects(check(GOOD, new Map(), corpus, corpus.now), UnknownKey);
});

test("a token for another issuer or audience is refused", async () => {
  for (const expected of [
    { ...corpus, issuer: "another" },
    { ...corpus, audience: "another" },
  ]) {
    await assert.rejects(check(GOOD, KEYS, expected, corpus.now), TokenInvalid);
  }
});

test("a token says to whom it belongs and until when", async () => {
  const { claims, keyId } = await check(GOOD, KEYS, corpus, corpus.now);
  assert.match(claims.userId, /^user_/);
  assert.match(claims.sessionId, /^sess_/);
  assert.equal(keyId, corpus.keys[0]?.kid);
  assert(claims.expiresAt.getTime() > corpus.now * 1000);
});

test("a key set leaves out keys of another type or use", async () => {
  const [key] = corpus.keys;
  assert(key !== undefined);
  const others = [{ kty: "EC" }, { crv: "Ed448" }, { use: "enc" }, { alg: "HS256" }];
  const keys = await keySet({ keys: [...others.map((other, at) => ({ ...key, ...other, kid: `${at}` })), key] });
  assert.deepEqual([...keys.keys()], [key.kid]);
});

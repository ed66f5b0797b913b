/** Tokens are checked in the verifier's own process, and refused as soon as they are revoked or nothing is known. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, NatsLoginRefused, NoAnswer, StaleRead, TokenInvalid, TokenVerifier } from "@denizen/client";
import { backEnd, email, eventually, killNats, setting } from "./support.js";

const PASSWORD = "correct horse battery";

async function signedIn(client: Client): Promise<{ userId: string; accessToken: string; sessionId: string }> {
  const address = email();
  const user = await client.auth.users.create({ email: address, password: PASSWORD, emailVerified: true });
  const { accessToken, sessionId } = await client.auth.sessions.authenticate({ email: address, password: PASSWORD });
  return { userId: user.id, accessToken, sessionId };
}

async function verifying(options: object = {}): Promise<TokenVerifier> {
  const verifier = new TokenVerifier({ servers: setting("DENIZEN_NATS_URL"), ...options });
  await verifier.connect({ timeout: 30_000 });
  return verifier;
}

test("a valid token says to whom it belongs", async () => {
  await using client = backEnd();
  await using verifier = await verifying();
  const { userId, accessToken, sessionId } = await signedIn(client);
  const claims = await verifier.verify(accessToken);
  assert.deepEqual([claims.userId, claims.sessionId], [userId, sessionId]);
  assert(claims.expiresAt > new Date());
  await using other = await verifying({ audience: "another" });
  await assert.rejects(other.verify(accessToken), TokenInvalid);
});

test("a blocked user's token is refused as soon as the block is answered, and others' are not", async () => {
  await using client = backEnd();
  await using verifier = await verifying();
  const [blocked, other] = [await signedIn(client), await signedIn(client)];
  await verifier.verify(blocked.accessToken);
  await client.auth.users.block(blocked.userId);
  const began = performance.now();
  await eventually("the token is refused", () => isRefused(verifier, blocked.accessToken));
  assert(performance.now() - began < 1000);
  await verifier.verify(other.accessToken);
});

test("a new verifier knows earlier revocations, and a session that ended alone", async () => {
  await using client = backEnd();
  const { userId, accessToken, sessionId } = await signedIn(client);
  await client.auth.sessions.revoke(userId, sessionId);
  await using verifier = await verifying();
  await assert.rejects(verifier.verify(accessToken), TokenInvalid);
});

test("every token is refused while NATS is away, and good ones are accepted when it is back", async () => {
  await using client = backEnd();
  await using verifier = await verifying({ staleAfter: 500 });
  const [kept, revoked] = [await signedIn(client), await signedIn(client)];
  await client.auth.users.block(revoked.userId);
  await killNats();
  await eventually("all is refused", async () => !verifier.isFresh);
  await assert.rejects(verifier.verify(kept.accessToken), StaleRead);
  await eventually("the verifier is fresh again", async () => verifier.isFresh);
  await verifier.verify(kept.accessToken);
  assert(await isRefused(verifier, revoked.accessToken));
});

test("a token of a key that is not known has the keys fetched, and is refused for good when they lack it", async () => {
  await using client = backEnd();
  await using verifier = await verifying();
  const { accessToken } = await signedIn(client);
  const [, payload, signature] = accessToken.split(".");
  const header = Buffer.from(JSON.stringify({ alg: "EdDSA", typ: "at+jwt", kid: "unknown" })).toString("base64url");
  const forged = `${header}.${payload}.${signature}`;
  await assert.rejects(verifier.verify(forged), StaleRead);
  await eventually("it is refused for good", () => isRefused(verifier, forged));
});

test("a verifier that is not connected, or is closed, refuses every token", async () => {
  await using client = backEnd();
  const { accessToken } = await signedIn(client);
  const verifier = new TokenVerifier({ servers: setting("DENIZEN_NATS_URL") });
  await assert.rejects(verifier.verify(accessToken), StaleRead);
  await verifier.connect({ timeout: 30_000 });
  await verifier.verify(accessToken);
  await verifier.close();
  await assert.rejects(verifier.verify(accessToken), StaleRead);
});

test("a verifier without NATS says so in its time, and at once where the login is refused", async () => {
  const away = new TokenVerifier({ servers: "127.0.0.1:1" });
  await assert.rejects(away.connect({ timeout: 300 }), NoAnswer);
  const refused = new TokenVerifier({ servers: setting("DENIZEN_NATS_URL"), user: "verifier-x", password: "canary" });
  await assert.rejects(refused.connect({ timeout: 60_000 }), NatsLoginRefused);
  const aborted = new TokenVerifier({ servers: "127.0.0.1:1" });
  await assert.rejects(aborted.connect({ signal: AbortSignal.timeout(100) }), { name: "TimeoutError" });
});

async function isRefused(verifier: TokenVerifier, token: string): Promise<boolean> {
  return verifier.verify(token).then(
    () => false,
    (error: unknown) => error instanceof TokenInvalid,
  );
}

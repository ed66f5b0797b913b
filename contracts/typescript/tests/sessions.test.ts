import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Client,
  Forbidden,
  InvalidCredentials,
  TokenInvalid,
  Unauthenticated,
  UserNotFound,
} from "@denizen/client";
import { backEnd, clientOf, email } from "./support.js";

const PASSWORD = "correct horse battery";

async function member(client: Client): Promise<{ id: string; email: string }> {
  return client.auth.users.create({ email: email(), password: PASSWORD, emailVerified: true });
}

test("a session is begun, refreshed, listed, verified and ended", async () => {
  await using client = backEnd();
  const user = await member(client);
  const signedIn = await client.auth.sessions.authenticate({
    email: user.email,
    password: PASSWORD,
    ip: "203.0.113.9",
    userAgent: "a browser\r\n\ud800",
  });
  const [session] = await client.auth.sessions.list(user.id);
  assert.deepEqual(
    [session?.id, session?.ip, session?.userAgent],
    [signedIn.sessionId, "203.0.113.9", "a browser \ufffd"],
  );
  const refreshed = await client.auth.sessions.refresh(signedIn.refreshToken);
  assert.equal((await client.auth.sessions.verify(refreshed.accessToken)).userId, user.id);
  await client.auth.sessions.revoke(user.id, signedIn.sessionId);
  await assert.rejects(client.auth.sessions.verify(refreshed.accessToken), TokenInvalid);
});

test("a wrong password is refused, and its error tells no more", async () => {
  await using client = backEnd();
  const user = await member(client);
  const wrong = client.auth.sessions.authenticate({ email: user.email, password: "wrong" });
  await assert.rejects(wrong, (error) => error instanceof InvalidCredentials && error instanceof Unauthenticated);
});

test("a signed-in user acts for themself through a front end", async () => {
  await using client = backEnd();
  await using front = clientOf("frontend");
  const user = await member(client);
  const { accessToken } = await front.auth.sessions.authenticate({ email: user.email, password: PASSWORD });
  const me = front.auth.me(accessToken);
  await me.update({ profile: { firstName: "Ada" }, metadata: { theme: "dark" } });
  const shown = await me.get();
  assert.deepEqual([shown.profile.firstName, shown.metadata], ["Ada", { theme: "dark" }]);
  assert.equal((await me.listSessions())[0]?.current, true);
  assert.equal((await me.loginHistory()).data[0]?.outcome, "succeeded");
  await me.linkIdentity({ provider: "google", providerId: user.id });
  assert.equal((await me.listIdentities())[0]?.providerId, user.id);
  await me.unlinkIdentity({ provider: "google", providerId: user.id });
  await me.logOut();
  await assert.rejects(me.get(), TokenInvalid);
});

test("a signed-in user deletes the account", async () => {
  await using client = backEnd();
  const user = await member(client);
  const { accessToken } = await client.auth.sessions.authenticate({ email: user.email, password: PASSWORD });
  await client.auth.me(accessToken).delete({ currentPassword: PASSWORD });
  await assert.rejects(client.auth.users.get(user.id), UserNotFound);
  await assert.rejects(
    client.auth.me("none").get(),
    (error) => error instanceof TokenInvalid || error instanceof Forbidden,
  );
});

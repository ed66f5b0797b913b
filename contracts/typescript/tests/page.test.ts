/** The product page's snippets run against Denizen, word for word: only the values that name a user are exchanged. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { format } from "node:util";
import { type Client, InvalidCredentials, PasswordChangeRequired, UserBlocked, UserNotFound } from "@denizen/client";
import * as page from "./page/snippets.js";
import { backEnd, email, mailedCode } from "./support.js";

const BCRYPT = "hashed:$2b$05$r4AuhPI6NtJ0gNfQWsY20Ob1fqABOVe6n8ZhTjDTOMUF8ueAKlhvS";
type Values = Record<string, string>;

/** Run a snippet with values in the place of the page's; the lines that it prints. */
async function run(
  t: TestContext,
  snippet: (client: Client) => Promise<void>,
  client: Client,
  values: Values,
): Promise<string[]> {
  const print = t.mock.method(console, "log", () => {});
  try {
    await snippet(standing(client, values));
    return print.mock.calls.map((call) => format(...call.arguments));
  } finally {
    print.mock.restore();
  }
}

/** The client, whose calls take values of the test where the page's are given. */
function standing(client: Client, values: Values): Client {
  const users = new Proxy(client.auth.users, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== "function") return method;
      return (...given: unknown[]): unknown => method.apply(target, exchanged(given, values));
    },
  });
  return { auth: { users } } as unknown as Client;
}

function exchanged<T>(value: T, values: Values): T {
  return JSON.parse(JSON.stringify(value), (_, each: unknown) =>
    typeof each === "string" ? (values[each] ?? each) : each,
  ) as T;
}

/** A user whose password is the page's, and the values by which the snippets name this user. */
async function member(
  client: Client,
  password = "OldPassword123!",
): Promise<{ id: string; email: string; values: Values }> {
  const address = email();
  const user = await client.auth.users.create({ email: address, password, emailVerified: true });
  return { id: user.id, email: address, values: { user_xxx: user.id, "user@example.com": address } };
}

test("createUser", async (t) => {
  await using client = backEnd();
  const address = email();
  const lines = await run(t, page.createUser, client, { "user@example.com": address });
  const user = await client.auth.users.getByEmail(address);
  assert.deepEqual(lines, [`User ID: ${user.id}`, "External ID: null"]);
  assert.equal(user.profile.picture, "https://example.com/avatar.jpg");
  assert.deepEqual(user.metadata, { plan: "pro", source: "signup" });
});

test("registerUser", async (t) => {
  await using client = backEnd();
  const address = email();
  await run(t, page.registerUser, client, { "user@example.com": address });
  const user = await client.auth.users.getByEmail(address);
  assert.equal(user.status, "PENDING_VERIFICATION");
  await mailedCode(address);
});

test("getUser, getUserByEmail, checkVerification", async (t) => {
  await using client = backEnd();
  const { values } = await member(client);
  await run(t, page.getUser, client, values);
  await run(t, page.getUserByEmail, client, values);
  assert.deepEqual(await run(t, page.checkVerification, client, values), ["Email is verified"]);
});

test("getUserByExternalId", async (t) => {
  await using client = backEnd();
  const externalId = randomUUID();
  await client.auth.users.create({ email: email(), externalId });
  await run(t, page.getUserByExternalId, client, { "your-system-id-123": externalId });
});

test("listUsers", async (t) => {
  await using client = backEnd();
  const user = await member(client);
  assert.deepEqual(await run(t, page.listUsers, client, { john: user.email }), [`${user.email}: ACTIVE`]);
});

test("updateUser, updateProfile, updateMetadata, updateAppMetadata", async (t) => {
  await using client = backEnd();
  const { id, values } = await member(client);
  await run(t, page.updateUser, client, values);
  assert.equal((await client.auth.users.get(id)).profile.firstName, "Jonathan");
  await run(t, page.updateProfile, client, values);
  await run(t, page.updateMetadata, client, values);
  await run(t, page.updateAppMetadata, client, values);
  const user = await client.auth.users.get(id);
  assert.deepEqual([user.profile.displayName, user.profile.timezone], ["John D.", "America/New_York"]);
  assert.deepEqual(user.metadata, { plan: "enterprise", theme: "dark", notifications: "enabled" });
  assert.deepEqual(user.appMetadata.permissions, ["read", "write", "admin"]);
});

test("sendVerificationEmail, verifyEmail", async (t) => {
  await using client = backEnd();
  const address = email();
  const { id } = await client.auth.users.create({ email: address });
  await run(t, page.sendVerificationEmail, client, { user_xxx: id });
  const code = await mailedCode(address);
  await run(t, page.verifyEmail, client, { user_xxx: id, "123456": code });
  assert.equal((await client.auth.users.get(id)).status, "ACTIVE");
});

test("changePassword, resetPassword", async (t) => {
  await using client = backEnd();
  const { email: address, values } = await member(client);
  await run(t, page.changePassword, client, values);
  const signIn = (password: string): Promise<unknown> =>
    client.auth.sessions.authenticate({ email: address, password });
  await assert.rejects(signIn("OldPassword123!"), InvalidCredentials);
  await signIn("NewPassword456!");
  await run(t, page.resetPassword, client, values);
  await assert.rejects(signIn("TemporaryPassword123!"), PasswordChangeRequired);
});

test("sendPasswordResetEmail", async (t) => {
  await using client = backEnd();
  const { values } = await member(client);
  await run(t, page.sendPasswordResetEmail, client, values);
});

test("blockUser, unblockUser, deleteUser", async (t) => {
  await using client = backEnd();
  const { id, email: address, values } = await member(client);
  const signIn = (): Promise<unknown> =>
    client.auth.sessions.authenticate({ email: address, password: "OldPassword123!" });
  await run(t, page.blockUser, client, values);
  await assert.rejects(signIn(), UserBlocked);
  await run(t, page.unblockUser, client, values);
  await signIn();
  await run(t, page.deleteUser, client, values);
  await assert.rejects(client.auth.users.get(id), UserNotFound);
});

test("linkIdentity, listIdentities, unlinkIdentity", async (t) => {
  await using client = backEnd();
  const { id, values } = await member(client);
  const providerId = randomUUID();
  const more = { ...values, "google-user-id": providerId };
  await run(t, page.linkIdentity, client, more);
  assert.deepEqual(await run(t, page.listIdentities, client, more), [`google: ${providerId}`]);
  await run(t, page.unlinkIdentity, client, more);
  assert.deepEqual(await client.auth.users.listIdentities(id), []);
});

test("loginHistory", async (t) => {
  await using client = backEnd();
  const { email: address, values } = await member(client);
  await client.auth.sessions.authenticate({ email: address, password: "OldPassword123!", ip: "203.0.113.7" });
  const [count, last, ip] = await run(t, page.loginHistory, client, values);
  assert.equal(count, "Login count: 1");
  assert.match(last ?? "", /^Last login: \d{4}-\d\d-\d\dT/);
  assert.equal(ip, "Last IP: 203.0.113.7");
});

test("importUsers", async (t) => {
  await using client = backEnd();
  const [one, other] = [email(), email()];
  const values = { "user1@example.com": one, "user2@example.com": other, "hashed:$2b$...": BCRYPT };
  assert.deepEqual(await run(t, page.importUsers, client, values), ["Imported: 2, Failed: 0"]);
  assert.equal((await client.auth.users.getByEmail(other)).emailVerified, true);
});

test("exportUsers", async (t) => {
  await using client = backEnd();
  await run(t, page.exportUsers, client, {});
});

test("createWithExternalId, lookUpByExternalId", async (t) => {
  await using client = backEnd();
  const values = { "user@example.com": email(), "your-system-user-id": randomUUID() };
  await run(t, page.createWithExternalId, client, values);
  await run(t, page.lookUpByExternalId, client, values);
});

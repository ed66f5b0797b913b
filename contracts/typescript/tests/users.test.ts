import assert from "node:assert/strict";
import { test } from "node:test";
import { EmailTaken, UserNotFound, VersionConflict } from "@denizen/client";
import { backEnd, email } from "./support.js";

test("a user is created, found, changed and deleted, and each query shows what was written", async () => {
  await using client = backEnd();
  const { users } = client.auth;
  const address = email();
  const user = await users.create({ email: address, externalId: address, profile: { firstName: "Ada" } });
  assert.equal(user.status, "PENDING_VERIFICATION");
  assert.equal((await users.getByEmail(address.toUpperCase())).id, user.id);
  assert.equal((await users.getByExternalId(address)).id, user.id);
  await users.update(user.id, { profile: { firstName: null, lastName: "Lovelace" }, metadata: { plan: "pro" } });
  const changed = await users.get(user.id);
  assert.deepEqual([changed.profile.firstName ?? null, changed.profile.lastName], [null, "Lovelace"]);
  assert.deepEqual(changed.metadata, { plan: "pro" });
  await users.delete(user.id);
  await assert.rejects(users.get(user.id), UserNotFound);
});

test("a refusal is an error of its code, with the field", async () => {
  await using client = backEnd();
  const address = email();
  await client.auth.users.create({ email: address });
  await assert.rejects(client.auth.users.create({ email: address }), (error) => {
    assert(error instanceof EmailTaken);
    assert.deepEqual([error.code, error.number, error.name], ["email_taken", 409, "EmailTaken"]);
    return true;
  });
});

test("a repeat with the same idempotency key changes nothing", async () => {
  await using client = backEnd();
  const body = { email: email() };
  const first = await client.auth.users.create(body, { idempotencyKey: body.email });
  assert.equal((await client.auth.users.create(body, { idempotencyKey: body.email })).id, first.id);
});

test("a stale expected version is refused", async () => {
  await using client = backEnd();
  const user = await client.auth.users.create({ email: email() });
  await client.auth.users.block(user.id, { reason: "chargeback" }, { expectedVersion: user.version, actor: "billing" });
  const late = client.auth.users.unblock(user.id, { expectedVersion: user.version });
  await assert.rejects(late, VersionConflict);
});

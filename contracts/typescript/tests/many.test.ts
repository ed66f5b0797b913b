/** Imports, exports and lists of many users. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type ImportedUser, type ImportResult, ValidationFailed } from "@denizen/client";
import { backEnd, clientOf, email } from "./support.js";

/** Rows of a domain of their own, by which they are found again. */
function rows(number: number, domain: string): ImportedUser[] {
  return Array.from({ length: number }, (_, index) => ({ email: `user${index}@${domain}`, emailVerified: true }));
}

test("an import goes in chunks, and a bad row stops no other", async () => {
  await using client = backEnd();
  const domain = `${randomUUID()}.example`;
  const users = rows(1100, domain);
  users[7] = { email: "none" };
  users[600] = { email: `a@${domain}`, metadata: { bad: Number.NaN } };
  const told: ImportResult[] = [];
  const summary = await client.auth.users.import(users, { onResult: (result) => told.push(result) });
  assert.deepEqual([summary.success, summary.failed, summary.rows], [1098, 2, 1100]);
  assert.deepEqual(
    told.map((result) => result.row),
    users.map((_, index) => index + 1),
  );
  assert.deepEqual(
    summary.results.map(({ row, error }) => [row, error?.code]),
    [
      [8, "validation_failed"],
      [601, "malformed_message"],
    ],
  );
});

test("an import under the same name goes on, and one of other rows is refused", async () => {
  await using client = backEnd();
  const users = rows(1100, `${randomUUID()}.example`);
  const importId = randomUUID();
  await client.auth.users.import(users.slice(0, 1000), { importId });
  const summary = await client.auth.users.import(users, { importId });
  assert.deepEqual([summary.created, summary.before], [1100, 1000]);
  await assert.rejects(client.auth.users.import(users.toReversed(), { importId }), ValidationFailed);
  await assert.rejects(client.auth.users.import(users.slice(0, 500), { importId }), ValidationFailed);
});

test("an import says whose addresses are verified and whose hashes are left out, and tells it", async () => {
  await using client = backEnd();
  const { users } = client.auth;
  const domain = `${randomUUID()}.example`;
  const hash = "$2b$04$abcdefghijklmnopqrstuuTZJ8yzQ5JzR3bpyMsqXh0F8KGJ0x0hK";
  const given: ImportedUser[] = [
    { email: `a@${domain}`, emailVerified: false, passwordHash: hash },
    { email: `b@${domain}`, password: `hashed:${hash}` },
    { email: `c@${domain}`, emailVerified: true },
  ];
  const summary = await users.import(given, { verified: "all", withoutHashes: "all" });
  const verified = { field: "emailVerified", message: "set to true, because the import says so of all addresses" };
  const left = { field: "passwordHash", message: "left out, because the import says so of all hashes" };
  assert.deepEqual(
    summary.results.map(({ status, changed }) => [status, changed]),
    [
      ["created", [left, verified]],
      ["created", [left, verified]],
      ["created", undefined],
    ],
  );
  assert.equal((await users.getByEmail(`a@${domain}`)).emailVerified, true);
  assert.deepEqual(given[0], { email: `a@${domain}`, emailVerified: false, passwordHash: hash });
  const none = await users.import([{ email: `d@${domain}`, emailVerified: true }], { verified: "none" });
  assert.equal((await users.getByEmail(`d@${domain}`)).emailVerified, false);
  assert.deepEqual(none.results[0]?.changed, [{ ...verified, message: verified.message.replace("true", "false") }]);
  await assert.rejects(users.import([], { verified: "some" as "all" }), /^RangeError: verified: must be all, none or/);
  await assert.rejects(users.import([], { withoutHashes: "some" as "all" }), /^RangeError: withoutHashes: must be/);
});

test("results that an earlier run of a job has told are not told again", async () => {
  await using client = backEnd();
  const given = rows(1100, `${randomUUID()}.example`);
  const importId = randomUUID();
  await client.auth.users.import(given.slice(0, 1000), { importId });
  const told: number[] = [];
  const options = { importId, told: 700, onResult: ({ row }: ImportResult) => told.push(row) };
  const summary = await client.auth.users.import(given, options);
  assert.deepEqual(
    told,
    Array.from({ length: 400 }, (_, index) => index + 701),
  );
  assert.deepEqual([summary.created, summary.before], [1100, 1000]);
});

test("files and exports of other systems are refused, and the error says what imports them", async () => {
  await using client = backEnd();
  const { users } = client.auth;
  const octets = new TextEncoder().encode("email\nada@example.com\n");
  await assert.rejects(users.import([], { preset: "auth0" } as object), /^TypeError: preset: files, .*denizen import/);
  await assert.rejects(users.import([], { format: "csv" } as object), /^TypeError: format: files, .*denizen import/);
  await assert.rejects(users.import(octets as never), /^TypeError: users: are octets.*denizen import/);
  await assert.rejects(users.import([octets] as never), /^TypeError: users: yields octets.*denizen import/);
});

test("an import takes an async source, and an abort ends it", async () => {
  await using client = backEnd();
  const controller = new AbortController();
  async function* endless(): AsyncGenerator<ImportedUser> {
    const domain = `${randomUUID()}.example`;
    for (let number = 0; ; number += 1) {
      if (number === 1500) controller.abort(new Error("enough"));
      yield { email: `user${number}@${domain}` };
    }
  }
  await assert.rejects(client.auth.users.import(endless(), { signal: controller.signal }), /enough/);
});

test("a dry run finds rows of the same address in different chunks, and changes nothing", async () => {
  await using client = backEnd();
  const users = rows(600, `${randomUUID()}.example`);
  users.push({ email: users[0]?.email.toUpperCase() ?? "" });
  const summary = await client.auth.users.import(users, { dryRun: true });
  assert.deepEqual([summary.created, summary.failed, summary.results[0]?.error?.code], [600, 1, "email_taken"]);
  assert.equal((await client.auth.users.list({ search: users[0]?.email ?? "" })).total, 0);
});

test("iterAll goes through every page", async () => {
  await using client = backEnd();
  const domain = `${randomUUID()}.example`;
  await client.auth.users.import(rows(510, domain));
  const found = new Set<string>();
  for await (const user of client.auth.users.iterAll({ search: domain })) found.add(user.email);
  assert.equal(found.size, 510);
});

test("an export is read piece by piece or as a whole, once, and can be ended early", async () => {
  await using client = backEnd();
  const user = await client.auth.users.create({ email: email(), profile: { firstName: "Zoë" } });
  const which = { format: "csv", fields: ["id", "profile.firstName"], search: user.email } as const;
  const whole = await client.auth.users.export(which);
  assert.match(await whole.text(), new RegExp(`${user.id},Zoë`));
  assert(whole.position > 0);
  await assert.rejects(whole.text(), /begin another one/);
  await using early = await client.auth.users.export();
  for await (const piece of early) {
    assert(piece.length > 0);
    break;
  }
});

test("an operator takes an import back, but for users who were changed", async () => {
  await using client = backEnd();
  await using operator = clientOf("operator");
  const importId = randomUUID();
  const users = rows(3, `${randomUUID()}.example`);
  await client.auth.users.import(users, { importId });
  const kept = await client.auth.users.getByEmail(users[0]?.email ?? "");
  await client.auth.users.update(kept.id, { metadata: { plan: "pro" } });
  const summary = await operator.auth.users.undoImport(importId);
  assert.deepEqual([summary.undone, summary.kept, summary.users[0]?.userId], [2, 1, kept.id]);
});

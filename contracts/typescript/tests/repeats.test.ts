/** The repeats of a request, against services of the test's own: late, refusing, absent. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, DenizenError, Overloaded } from "@denizen/client";
import { headers, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { setting } from "./support.js";

const servers = setting("DENIZEN_TEST_BARE_NATS_URL");
const SUBJECT = "users.v1.command.BlockUser";
const USER = { id: "user_1", email: "ada@example.com" };

/** A connection that may answer requests as a service does. */
async function service(): Promise<NatsConnection & AsyncDisposable> {
  const pass = setting("DENIZEN_TEST_BARE_NATS_PASSWORD");
  const connection = await connect({ servers, user: "responder", pass, inboxPrefix: "_INBOX.responder" });
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.close() });
}

/** Answer each request on the subject, which is told how many came before it. */
async function answering(connection: NatsConnection, answer: (message: Msg, before: number) => void): Promise<Msg[]> {
  const asked: Msg[] = [];
  connection.subscribe(SUBJECT, {
    callback: (_, message) => {
      asked.push(message);
      answer(message, asked.length - 1);
    },
  });
  await connection.flush();
  return asked;
}

function done(message: Msg): void {
  message.respond(JSON.stringify({ user: USER, version: 2, position: 7 }));
}

function refuse(message: Msg, code: string): void {
  const sent = headers();
  sent.set("Nats-Service-Error-Code", "503");
  sent.set("Nats-Service-Error", code);
  message.respond(JSON.stringify({ error: { code, message: "try again", field: null, details: [] } }), {
    headers: sent,
  });
}

test("a command that is refused for now is repeated with the same id and deadline until it is done", async () => {
  await using connection = await service();
  const asked = await answering(connection, (message, before) => {
    if (before < 3) refuse(message, before === 1 ? "stale_read" : "overloaded");
    else done(message);
  });
  await using client = new Client({ servers, timeout: 30_000 });
  assert.equal((await client.auth.users.block("user_1")).id, USER.id);
  assert.equal(asked.length, 4);
  for (const name of ["Nats-Msg-Id", "Denizen-Deadline"]) {
    assert.equal(new Set(asked.map((message) => message.headers?.get(name))).size, 1);
  }
});

test("a command waits for a service that starts later", async () => {
  await using client = new Client({ servers, timeout: 30_000 });
  await client.connect();
  const call = client.auth.users.block("user_1");
  await using connection = await service();
  await answering(connection, done);
  assert.equal((await call).id, USER.id);
});

test("an answer to an earlier attempt counts", async () => {
  await using connection = await service();
  let first: Msg | undefined;
  const asked = await answering(connection, (message) => {
    if (first === undefined) first = message;
    else done(first);
  });
  await using client = new Client({ servers, timeout: 30_000 });
  assert.equal((await client.auth.users.block("user_1")).id, USER.id);
  assert.equal(asked.length, 2);
});

test("a refusal is thrown when the time is over, though the last attempt got no answer", async () => {
  await using connection = await service();
  await answering(connection, (message, before) => {
    if (before === 0) refuse(message, "overloaded");
  });
  await using client = new Client({ servers });
  await assert.rejects(client.auth.users.block("user_1", {}, { timeout: 1000 }), Overloaded);
});

test("a code that this version does not know is a DenizenError with the code, and is not repeated", async () => {
  await using connection = await service();
  const asked = await answering(connection, (message) => refuse(message, "moon_is_full"));
  await using client = new Client({ servers });
  await assert.rejects(
    client.auth.users.block("user_1"),
    (error) => error instanceof DenizenError && error.code === "moon_is_full",
  );
  assert.equal(asked.length, 1);
});

test("an abort and the closing of the client end a call that is being repeated", async () => {
  const client = new Client({ servers, timeout: 30_000 });
  const controller = new AbortController();
  const aborted = client.auth.users.block("user_1", {}, { signal: controller.signal });
  const reason = new Error("the page was closed");
  setTimeout(() => controller.abort(reason), 100);
  await assert.rejects(aborted, reason);
  const closed = client.auth.users.block("user_1");
  await Promise.all([assert.rejects(closed, /the client is closed/), client.close()]);
});

test("a registration that shows no user is Undisclosed", async () => {
  await using connection = await service();
  const answer = (subject: string, body: object): void => {
    connection.subscribe(subject, { callback: (_, message) => void message.respond(JSON.stringify(body)) });
  };
  answer("users.v1.query.GetSealingKey", { keyId: "k", publicKey: Buffer.alloc(32, 9).toString("base64url") });
  answer("users.v1.command.Register", { user: null, version: null, position: null });
  await connection.flush();
  await using client = new Client({ servers, timeout: 30_000 });
  const result = await client.auth.users.register({ email: "ada@example.com", password: "correct horse battery" });
  assert.deepEqual(result, { emailVerified: "undisclosed" });
});

/** The client for pages in browsers, over NATS's WebSocket. Node's own WebSocket is the browser's. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Client, EmailTaken, NatsLoginRefused, NoAnswer, TokenInvalid, Unauthenticated } from "@denizen/client/browser";
import { type Msg, wsconnect } from "@nats-io/nats-core";
import { build } from "esbuild";
import { backEnd, email, mailedCode, setting } from "./support.js";

const PASSWORD = "correct horse battery";
const server = setting("DENIZEN_TEST_WEBSOCKET_URL");
const user = setting("DENIZEN_TEST_BROWSER_USER");
const password = setting("DENIZEN_TEST_BROWSER_PASSWORD");

function page(): Client {
  return new Client({ server, user, password, timeout: 30_000 });
}

test("a person registers, verifies the address, signs in, and is out when blocked", async () => {
  const address = email();
  await using client = page();
  const person = await client.auth.users.register({ email: address, password: PASSWORD });
  assert(person.id !== undefined);
  await client.auth.users.sendVerificationEmail(person.id);
  await client.auth.users.verifyEmail(person.id, { code: await mailedCode(address) });
  const { accessToken, refreshToken } = await client.auth.sessions.authenticate({ email: address, password: PASSWORD });
  assert.equal((await client.auth.me(accessToken).get()).email, address);
  const refreshed = await client.auth.sessions.refresh(refreshToken);
  await assert.rejects(client.auth.users.register({ email: address, password: PASSWORD }), EmailTaken);
  await using operator = backEnd();
  await operator.auth.users.block(person.id);
  await assert.rejects(client.auth.me(refreshed.accessToken).get(), (error) => {
    assert(error instanceof TokenInvalid || error instanceof Unauthenticated);
    return true;
  });
});

test("another visitor who listens where the replies come reads none of them", async (t) => {
  const heard: Msg[] = [];
  const visitor = await wsconnect({ servers: server, user, pass: password, inboxPrefix: `_INBOX.${user}` });
  t.after(() => visitor.close());
  visitor.subscribe(`_INBOX.${user}.>`, {
    callback: (_, message) => {
      heard.push(message);
    },
  });
  await visitor.flush();
  await using operator = backEnd();
  const address = email();
  await operator.auth.users.create({ email: address, password: PASSWORD, emailVerified: true });
  await using client = page();
  const { accessToken, refreshToken } = await client.auth.sessions.authenticate({ email: address, password: PASSWORD });
  await client.auth.me(accessToken).get();
  await visitor.flush();
  const replies = heard.filter((message) => message.data.length > 0).map((message) => message.string());
  assert(replies.length >= 2);
  // Else the visitor could have a refusal of their own sent where the next reply is waited for.
  const tokens = heard.map((message) => message.subject.slice(message.subject.lastIndexOf(".") + 1));
  assert.equal(new Set(tokens.map((token) => token.slice(0, 8))).size, tokens.length);
  for (const secret of [accessToken, refreshToken, address]) {
    assert(!replies.some((reply) => reply.includes(secret)));
  }
});

test("a wrong login is told at once, and a listener that is away in its time", async () => {
  await using refused = new Client({ server, user, password: "canary", timeout: 30_000 });
  await assert.rejects(refused.connect(), NatsLoginRefused);
  await using away = new Client({ server: "ws://127.0.0.1:1", user, password, timeout: 500 });
  await assert.rejects(away.connect(), NoAnswer);
});

test("an address without TLS, and a user of another kind, are refused before anything is sent", () => {
  for (const wrong of ["ws://nats.example.com", "https://nats.example.com", "nats.example.com", ""]) {
    assert.throws(() => new Client({ server: wrong, user, password }), RangeError);
  }
  for (const wrong of ["frontend-web", "backend", "browser-", "browser-a.b", "browser-*"]) {
    assert.throws(() => new Client({ server: "wss://nats.example.com", user: wrong, password }), RangeError);
  }
});

test("the entry for browsers holds nothing of Node", async () => {
  const entry = fileURLToPath(import.meta.resolve("@denizen/client/browser"));
  const built = await build({
    entryPoints: [entry],
    bundle: true,
    platform: "browser",
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  assert.deepEqual(built.errors, []);
  const inputs = Object.keys(built.metafile.inputs);
  assert(inputs.some((input) => input.endsWith("dist/browser.js")));
  assert(!inputs.some((input) => /transport-node|dist\/node\.js/.test(input)), inputs.join("\n"));
});

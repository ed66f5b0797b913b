/** What every call promises, whatever NATS and the network do. */

import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import {
  Client,
  MalformedMessage,
  NatsLoginRefused,
  NatsPermissionDenied,
  NoAnswer,
  TlsFailed,
  TokenVerifier,
  UserNotFound,
  ValidationFailed,
} from "@denizen/client";
import { connect } from "@nats-io/transport-node";
import { backEnd, clientOf, email, setting } from "./support.js";

/** A port of this machine, and what clients send to it. `greeting` is said to each. */
async function listening(
  greeting: string,
): Promise<{ address: string; heard: () => string; close: () => Promise<void> }> {
  let heard = "";
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("data", (data) => {
      heard += data.toString("latin1");
    });
    socket.on("error", () => {});
    socket.write(greeting);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return {
    address: `127.0.0.1:${address.port}`,
    heard: () => heard,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const INFO = 'INFO {"server_id":"x","version":"2.15.1","proto":1,"headers":true,"max_payload":1048576}\r\n';

test("a server that offers no TLS gets nothing where TLS is asked for", async () => {
  const server = await listening(INFO);
  for (const options of [{ servers: `tls://${server.address}` }, { servers: server.address, tls: {} }]) {
    await using client = backEnd({ user: "backend", password: "canary", ...options });
    await assert.rejects(client.auth.users.get("user_x"), TlsFailed);
  }
  assert.equal(server.heard(), "");
  await server.close();
});

test("a wrong NATS password is refused at once, and the error shows no address with a password", async () => {
  const servers = setting("DENIZEN_NATS_URL").replace("://", "://backend:canary@");
  await using client = backEnd({ servers });
  await assert.rejects(client.auth.users.get("user_x"), (error) => {
    assert(error instanceof NatsLoginRefused);
    assert(!error.message.includes("canary"));
    return true;
  });
});

test("an address that is none is refused without being shown", () => {
  for (const servers of ["http://user:canary@host", "nats://user:canary@host:99999", "nats://"]) {
    assert.throws(
      () => backEnd({ servers }),
      (error) => error instanceof RangeError && !error.message.includes("canary"),
    );
  }
});

test("a request that the NATS user may not publish fails at once", async () => {
  await using front = clientOf("frontend");
  await assert.rejects(front.auth.users.block("user_x"), NatsPermissionDenied);
});

test("an inbox of another NATS user fails at once", async () => {
  await using front = clientOf("frontend", { inboxPrefix: "_INBOX.backend" });
  await assert.rejects(front.auth.users.sendPasswordResetEmail(email()), NatsPermissionDenied);
});

test("a call ends when its time is over, also where no server answers", async () => {
  const silent = await listening("");
  for (const servers of [silent.address, "127.0.0.1:1"]) {
    await using client = backEnd({ servers, timeout: 300 });
    const began = performance.now();
    await assert.rejects(client.auth.users.get("user_x"), NoAnswer);
    assert(performance.now() - began < 2000);
  }
  await silent.close();
});

test("an abort ends a call with the signal's reason, before and while it waits", async () => {
  await using client = backEnd({ servers: "127.0.0.1:1" });
  const reason = new Error("the page was closed");
  await assert.rejects(client.auth.users.get("user_x", {}, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const call = client.auth.users.get("user_x", {}, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(call, reason);
});

test("an option in the place of the conditions is refused, as it would have no effect", async () => {
  await using client = backEnd();
  const misplaced = { timeout: 5 } as object;
  await assert.rejects(client.auth.users.get("user_x", misplaced), {
    name: "TypeError",
    message: "timeout: is not an option; the options are asOf",
  });
});

test("a misspelt option of an import, an undo or an export is refused before users are changed or let out", async () => {
  await using client = backEnd();
  const { users } = client.auth;
  const address = email();
  await assert.rejects(users.import([{ email: address }], { dryrun: true } as object), {
    name: "TypeError",
    message: /^dryrun: is not an option; the options are importId, dryRun,/,
  });
  await assert.rejects(users.getByEmail(address), UserNotFound);
  await assert.rejects(users.undoImport("x", { onprogress: () => {} } as object), TypeError);
  await assert.rejects(async () => users.export({ staus: "BLOCKED" } as object), /^TypeError: staus: is not an option/);
  await assert.rejects(client.connect({ sginal: null } as object), TypeError);
});

test("a misspelt option of a client is refused at once, as it would connect elsewhere", () => {
  for (const Kind of [Client, TokenVerifier]) {
    assert.throws(() => new Kind({ server: "nats://nats.example.com" } as object), {
      name: "TypeError",
      message: /^server: is not an option; the options are servers, .*password/,
    });
  }
  assert.throws(() => new Client("nats://nats.example.com" as never), /^TypeError: options: must be an object/);
});

test("users to import that are no rows are refused as a whole", async () => {
  await using client = backEnd();
  for (const wrong of [undefined, null, "ada@example.com", 5, { email: "ada@example.com" }]) {
    await assert.rejects(client.auth.users.import(wrong as never), /^TypeError: users: must be an array/);
  }
});

test("secrets are sealed on the wire, each for its own command", async () => {
  await using client = backEnd();
  const observer = await connect({
    servers: setting("DENIZEN_NATS_URL"),
    user: "responder",
    pass: setting("DENIZEN_TEST_RESPONDER_PASSWORD"),
    inboxPrefix: "_INBOX.responder",
  });
  const bodies: string[] = [];
  observer.subscribe("users.v1.command.CreateUser", {
    callback: (_, message) => {
      bodies.push(message.string());
    },
  });
  await observer.flush();
  const addresses = [email(), email()];
  for (const address of addresses) {
    await client.auth.users.create({ email: address, password: "canary of 30 letters", emailVerified: true });
  }
  await observer.flush();
  await observer.close();
  const passwords = bodies
    .map((body) => JSON.parse(body) as { email: string; password: string })
    .filter((body) => addresses.includes(body.email))
    .map((body) => body.password);
  assert.equal(passwords.length, 2);
  assert(passwords.every((password) => password.startsWith("sealed:")) && passwords[0] !== passwords[1]);
  await client.auth.sessions.authenticate({ email: addresses[0] ?? "", password: "canary of 30 letters" });
});

test("headers and keys that would be changed on the way are refused", async () => {
  await using client = backEnd();
  const create = (options: object): Promise<unknown> => client.auth.users.create({ email: email() }, options);
  await assert.rejects(create({ idempotencyKey: "with space" }), ValidationFailed);
  await assert.rejects(create({ actor: "a\r\nNats-Msg-Id: x" }), ValidationFailed);
  await assert.rejects(create({ idempotencykey: "misspelt" }), TypeError);
  await assert.rejects(client.auth.users.create({ email: email(), metadata: { n: Number.NaN } }), MalformedMessage);
});

test("a body that is larger than NATS lets pass is refused at once", async () => {
  await using client = backEnd();
  const metadata = { text: "x".repeat(2_000_000) };
  await assert.rejects(client.auth.users.create({ email: email(), metadata }), MalformedMessage);
});

test("64 calls at once each get their own answer, and show what was written", async () => {
  await using client = backEnd();
  const made = await Promise.all(Array.from({ length: 64 }, () => client.auth.users.create({ email: email() })));
  const found = await Promise.all(made.map((user) => client.auth.users.getByEmail(user.email)));
  assert.deepEqual(
    found.map((user) => user.id),
    made.map((user) => user.id),
  );
});

test("a closed client refuses calls until it is connected again", async () => {
  const client: Client = backEnd();
  await client.connect();
  await client.close();
  await client.close();
  await assert.rejects(client.auth.users.getByEmail(email()), /the client is closed/);
  await client.connect();
  await client.auth.users.list({ count: 1 });
  await client.close();
});

/** Subscriptions to the feed of events. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Event, NatsLoginRefused, type Subscription } from "@denizen/client";
import { connect, headers } from "@nats-io/transport-node";
import { durable, now, users } from "./following.js";
import { backEnd, clientOf, email, eventually, setting } from "./support.js";

test("a handler gets each event once, in the order of the log", async () => {
  await using client = backEnd();
  const name = durable();
  const start = await now();
  const seen: Event[] = [];
  const subscription = await client.auth.events.subscribe(["UserCreated", "UserBlocked"], {
    durable: name,
    start,
    handler: (event) => seen.push(event),
  });
  const ids = await users(client, 5);
  for (const id of ids) await client.auth.users.block(id, { reason: "test" });
  await eventually("all events are there", async () => seen.length >= 10);
  subscription.stop();
  await subscription.closed;
  assert.deepEqual(
    seen.map(({ type, userId }) => [type, userId]),
    [...ids.map((id) => ["UserCreated", id]), ...ids.map((id) => ["UserBlocked", id])],
  );
  assert(seen.every((event, at) => at === 0 || event.position > (seen[at - 1]?.position ?? 0)));
  assert(seen.every(({ time, position }) => time instanceof Date && position >= start));
  assert.equal(seen[5]?.data.status, "BLOCKED");
  // Another one under the name goes on behind them.
  const [later] = await users(client, 1);
  const rest: string[] = [];
  await using next = await client.auth.events.subscribe(["UserBlocked", "UserCreated"], {
    durable: name,
    handler: (event) => rest.push(event.userId),
  });
  await eventually("the next event is there", async () => rest.length > 0);
  assert.deepEqual(rest, [later]);
  void next;
});

test("an event tells the trace of the command that caused it", async () => {
  await using client = backEnd();
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const subscription = await client.auth.events.subscribe("UserCreated", { durable: durable(), start: await now() });
  const connection = await connect({ servers: setting("DENIZEN_NATS_URL"), inboxPrefix: "_INBOX.backend" });
  const sent = headers();
  sent.set("traceparent", traceparent);
  const body = JSON.stringify({ email: email() });
  await connection.request("users.v1.command.CreateUser", body, { headers: sent, timeout: 30_000 });
  await connection.close();
  for await (const event of subscription) {
    assert.equal(event.traceparent, traceparent);
    break;
  }
});

test("an event whose handler throws comes again before any later one, and the error is told", async () => {
  await using client = backEnd();
  const seen: string[] = [];
  const told: unknown[] = [];
  await using subscription = await client.auth.events.subscribe("UserCreated", {
    durable: durable(),
    start: await now(),
    handler: async (event) => {
      seen.push(event.userId);
      if (seen.length < 3) throw new Error("not yet");
    },
    onError: (error, event) => told.push([(error as Error).message, event?.userId]),
  });
  const [first, second] = await users(client, 2);
  await eventually("both events are handled", async () => seen.length >= 4);
  assert.deepEqual(seen, [first, first, first, second]);
  assert.deepEqual(told, [
    ["not yet", first],
    ["not yet", first],
  ]);
  void subscription;
});

test("an event that always fails is parked, the next one comes, and a retry handles it", async () => {
  await using client = backEnd();
  const name = durable();
  const seen: string[] = [];
  let isMended = false;
  let poison = "";
  await using subscription = await client.auth.events.subscribe("UserCreated", {
    durable: name,
    start: await now(),
    parkAfter: 2,
    handler: (event) => {
      seen.push(event.userId);
      poison ||= event.userId;
      if (event.userId === poison && !isMended) throw new TypeError("poison");
    },
  });
  const [first, second] = await users(client, 2);
  await eventually("the next event comes", async () => seen.includes(second ?? ""));
  assert.deepEqual(seen, [first, first, second]);
  const { events } = client.auth;
  const parked = await events.parked(name);
  assert.deepEqual(
    parked.map(({ event, tries, error, isRetrying }) => [event.userId, tries, error, isRetrying]),
    [[first, 2, "TypeError", false]],
  );
  assert(parked.every((each) => Math.abs(each.parkedAt.getTime() - Date.now()) < 300_000));
  const position = parked[0]?.event.position ?? 0;
  assert.deepEqual(await events.retryParked(name), [position]);
  await eventually("the retry has failed", async () => (await events.parked(name))[0]?.tries === 3);
  await assert.rejects(
    events.retryParked(name, { positions: [position, 1] }),
    /^RangeError: positions: .* position 1 /,
  );
  assert.deepEqual(await events.retryParked(name, { positions: [] }), []);
  isMended = true;
  assert.deepEqual(await events.retryParked(name, { positions: [position] }), [position]);
  await eventually("nothing is parked any more", async () => (await events.parked(name)).length === 0);
  assert.deepEqual(seen, [first, first, second, first, first]);
  void subscription;
});

test("a retry is asked for where none runs, once, and the next subscription does it", async () => {
  await using client = backEnd();
  const { events } = client.auth;
  const name = durable();
  const start = await now();
  const given = { durable: name, start, parkAfter: 1, handler: () => assert.fail("poison") };
  const subscription = await events.subscribe("UserCreated", given);
  const ids = await users(client, 3);
  await eventually("all are parked", async () => (await events.parked(name)).length === 3);
  subscription.stop();
  await subscription.closed;
  const parked = await events.parked(name);
  assert.deepEqual(
    parked.map(({ event, error }) => [event.userId, error]),
    ids.map((id) => [id, "AssertionError"]),
  );
  const positions = parked.map(({ event }) => event.position);
  const [asked, again] = await Promise.all([events.retryParked(name), events.retryParked(name)]);
  assert.deepEqual([asked, again], [positions, positions]);
  assert((await events.parked(name)).every((each) => each.isRetrying));
  const handled: string[] = [];
  await using next = await events.subscribe("UserCreated", {
    ...given,
    handler: (event) => handled.push(event.userId),
  });
  await eventually("nothing is parked any more", async () => (await events.parked(name)).length === 0);
  assert.deepEqual(handled, ids);
  void next;
});

test("parked events cannot be asked for with wrong arguments, nor after an abort", async () => {
  await using client = backEnd();
  const { events } = client.auth;
  await assert.rejects(events.parked("a b"), RangeError);
  await assert.rejects(events.retryParked("x", { position: [1] } as object), /^TypeError: position: is not an option/);
  await assert.rejects(events.retryParked("x", { positions: ["1"] as never }), /^TypeError: positions: /);
  await assert.rejects(events.retryParked("x", [1] as never), TypeError);
  const reason = new Error("the page was closed");
  for (const signal of [AbortSignal.abort(reason)]) {
    await assert.rejects(events.parked("x", { signal }), reason);
    await assert.rejects(events.retryParked("x", {}, { signal }), reason);
  }
  assert.deepEqual(await events.parked(durable()), []);
});

test("a loop finishes an event when it asks for the next, and gives back the one at which it ends", async () => {
  await using client = backEnd();
  const name = durable();
  const start = await now();
  const ids = await users(client, 3);
  const first: string[] = [];
  for await (const event of await client.auth.events.subscribe("UserCreated", { durable: name, start })) {
    first.push(event.userId);
    if (first.length === 2) break;
  }
  const second: string[] = [];
  const began = performance.now();
  await assert.rejects(async () => {
    for await (const event of await client.auth.events.subscribe("UserCreated", { durable: name })) {
      second.push(event.userId);
      if (second.length === 2) throw new Error("enough");
    }
  }, /enough/);
  assert.deepEqual([first, second], [ids.slice(0, 2), ids.slice(1)]);
  assert(performance.now() - began < 20_000, "what was given back comes at once, not after the server's 30 s");
});

test("a signal stops a subscription, and tells its handler", async () => {
  await using client = backEnd();
  const stopping = new AbortController();
  let heard: AbortSignal | undefined;
  const subscription = await client.auth.events.subscribe("UserCreated", {
    durable: durable(),
    start: await now(),
    signal: stopping.signal,
    handler: (_, { signal }) => {
      heard = signal;
    },
  });
  await users(client, 1);
  await eventually("the handler was called", async () => heard !== undefined);
  stopping.abort();
  await subscription.closed;
  assert.equal(heard?.aborted, true);
  const loop = await client.auth.events.subscribe("UserCreated", {
    durable: durable(),
    signal: AbortSignal.timeout(300),
    start: "new",
  });
  for await (const event of loop) assert.fail(event.id);
  await assert.rejects(client.auth.events.subscribe("UserCreated", { signal: AbortSignal.abort() }), {
    name: "AbortError",
  });
});

test("a subscription without a durable begins with the next event", async () => {
  await using client = backEnd();
  const before = await client.auth.events.subscribe("UserCreated", { durable: durable(), start: await now() });
  const [published] = await users(client, 1);
  for await (const event of before) if (event.userId === published) break;
  const subscription = await client.auth.events.subscribe("*");
  const [id] = await users(client, 1);
  for await (const event of subscription) {
    if (event.type === "UserCreated") {
      assert.equal(event.userId, id);
      break;
    }
  }
});

test("a durable that follows other events, or began elsewhere, is refused", async () => {
  await using client = backEnd();
  const name = durable();
  const stop = async (subscription: Subscription): Promise<void> => subscription[Symbol.asyncDispose]();
  const at = new Date(Math.floor(Date.now() / 1000) * 1000);
  for (const start of [7, at, new Date(at.getTime() + 123), "new"] as const) {
    const durableOf = `${name}_${typeof start === "object" ? start.getTime() : start}`;
    for (const again of [start, undefined]) {
      const options = again === undefined ? {} : { start: again };
      await stop(await client.auth.events.subscribe("UserCreated", { durable: durableOf, ...options }));
    }
    await assert.rejects(
      client.auth.events.subscribe("UserCreated", { durable: durableOf, start: "first" }),
      RangeError,
    );
    await assert.rejects(client.auth.events.subscribe("UserBlocked", { durable: durableOf }), RangeError);
  }
});

test("wrong arguments are refused before anything is asked", async () => {
  await using client = backEnd();
  const wrong = [
    [[], {}],
    ["UserExploded", {}],
    ["UserCreated", { durable: "a b" }],
    ["UserCreated", { parkAfter: 2 }],
    ["UserCreated", { durable: "x", parkAfter: 0 }],
    ["UserCreated", { durable: "x", start: -1 }],
    ["UserCreated", { durable: "x", handler: 7 }],
    ["UserCreated", { drable: "x" }],
  ] as const;
  for (const [event, options] of wrong) {
    await assert.rejects(client.auth.events.subscribe(event as "UserCreated", options as object), (error) => {
      assert(error instanceof RangeError || error instanceof TypeError);
      return true;
    });
  }
});

test("the user `subscriber` follows events, and a wrong password is told at once", async () => {
  await using client = backEnd();
  await using following = clientOf("subscriber");
  const subscription = await following.auth.events.subscribe("UserCreated", { durable: durable(), start: await now() });
  const [id] = await users(client, 1);
  for await (const event of subscription) {
    assert.equal(event.userId, id);
    break;
  }
  await using refused = backEnd({ user: "subscriber", password: "canary" });
  await assert.rejects(refused.auth.events.subscribe("UserCreated", { durable: durable() }), NatsLoginRefused);
});

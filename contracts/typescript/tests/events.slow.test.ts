/** A subscription outlives nats-server. What was delivered when it died comes again after 30 s. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { durable, now, users } from "./following.js";
import { backEnd, eventually, killNats } from "./support.js";

test("a subscription goes on where it was after kill -9 of nats-server", { timeout: 200_000 }, async () => {
  await using client = backEnd({ timeout: 60_000 });
  const seen: string[] = [];
  await using subscription = await client.auth.events.subscribe("UserCreated", {
    durable: durable(),
    start: await now(),
    handler: async (event) => {
      // Before the third event is acknowledged.
      if (seen.push(event.userId) === 3) await killNats();
    },
  });
  const wanted = await users(client, 8);
  await eventually("all events are there", async () => wanted.every((id) => seen.includes(id)), 120_000);
  // At least once: what was not acknowledged comes again, and nothing is left out or overtaken.
  assert.deepEqual([...new Set(seen)], wanted);
  void subscription;
});

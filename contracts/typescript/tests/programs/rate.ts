/**
 * Measures the client beside a plain echo of nats.js over the same server.
 *
 *     node --expose-gc rate.js 10000
 *
 * It needs $DENIZEN_NATS_URL and $DENIZEN_TEST_RESPONDER_PASSWORD, by which it answers the echo. It prints JSON: calls a
 * second, this program's processor time for each in microseconds, and the heap in MB after the first tenth and at the end.
 */

import { randomUUID } from "node:crypto";
import { Client } from "@denizen/client";
import { connect } from "@nats-io/transport-node";

const NUMBER = Number(process.argv[2] ?? 10_000);
const IN_FLIGHT = 64;
const SUBJECT = "users.v1.command.Echo";
const servers = process.env.DENIZEN_NATS_URL ?? "";

interface Rate {
  perSecond: number;
  microseconds: number;
  heap: number[];
}

async function rate(call: (number: number) => Promise<unknown>): Promise<Rate> {
  let next = 0;
  const heap: number[] = [];
  const began = performance.now();
  const before = process.cpuUsage();
  const work = async (): Promise<void> => {
    while (next < NUMBER) {
      const number = next++;
      await call(number);
      if (number === NUMBER / 10) heap.push(used());
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  const perSecond = Math.round((NUMBER * 1000) / (performance.now() - began));
  const { user, system } = process.cpuUsage(before);
  heap.push(used());
  return { perSecond, microseconds: Math.round((user + system) / NUMBER), heap };
}

function used(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().heapUsed / 1e5) / 10;
}

const pass = process.env.DENIZEN_TEST_RESPONDER_PASSWORD ?? "";
const responder = await connect({ servers, user: "responder", pass, inboxPrefix: "_INBOX.responder" });
responder.subscribe(SUBJECT, { queue: "echo", callback: (_, message) => void message.respond(message.data) });
await responder.flush();
const plain = await connect({ servers, inboxPrefix: "_INBOX.backend" });
const body = JSON.stringify({ email: `${randomUUID()}@example.com`, emailVerified: true });
await plain.request(SUBJECT, body);
const echo = await rate(() => plain.request(SUBJECT, body, { timeout: 10_000 }));
await plain.close();
await responder.close();

await using client = new Client({ servers, timeout: 30_000 });
await client.connect();
const run = randomUUID();
const creates = await rate((number) => client.auth.users.create({ email: `${number}@${run}.example` }));
const lookUps = await rate((number) => client.auth.users.getByEmail(`${number}@${run}.example`));
console.log(JSON.stringify({ echo, creates, lookUps }));

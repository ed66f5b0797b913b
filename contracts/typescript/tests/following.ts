/** Helpers of the tests of subscriptions. */

import { randomBytes } from "node:crypto";
import type { Client } from "@denizen/client";
import { connect } from "@nats-io/transport-node";
import { email, setting } from "./support.js";

/** A name for a durable that no other test uses. */
export function durable(): string {
  return `ts_${randomBytes(6).toString("hex")}`;
}

/** The position behind all that has happened. */
export async function now(): Promise<number> {
  const connection = await connect({ servers: setting("DENIZEN_NATS_URL"), inboxPrefix: "_INBOX.backend" });
  const body = JSON.stringify({ email: email() });
  const reply = await connection.request("users.v1.command.CreateUser", body, { timeout: 30_000 });
  await connection.close();
  return reply.json<{ position: number }>().position + 1;
}

/** The ids of so many new users. */
export async function users(client: Client, number: number): Promise<string[]> {
  const found: string[] = [];
  for (let each = 0; each < number; each += 1) found.push((await client.auth.users.create({ email: email() })).id);
  return found;
}

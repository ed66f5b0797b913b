/**
 * Makes calls while the test that started this program kills servers: each user is created, blocked and unblocked.
 *
 *     node calls.js 501
 *
 * It prints a line after each call, and at last, as JSON, the ids of the users and the codes of the errors.
 */

import { randomUUID } from "node:crypto";
import { Client, DenizenError } from "@denizen/client";

const IN_FLIGHT = 16;

await using client = new Client({ timeout: 90_000 });
const { users } = client.auth;
const made: string[] = [];
const codes: string[] = [];
let chains = Number(process.argv[2]) / 3;

async function chain(): Promise<void> {
  const user = await users.create({ email: `${randomUUID()}@example.com` });
  console.log("created");
  await users.block(user.id);
  console.log("blocked");
  await users.unblock(user.id);
  console.log("unblocked");
  made.push(user.id);
}

async function work(): Promise<void> {
  while (chains > 0) {
    chains -= 1;
    await chain().catch((error: unknown) => {
      if (!(error instanceof DenizenError)) throw error;
      codes.push(error.code);
    });
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, work));
console.log(JSON.stringify({ made, codes }));

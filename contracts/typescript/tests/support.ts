/** What the tests share: clients of the Denizen that tests/typescript/ has started. */

import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Client, type ClientOptions } from "@denizen/client";

/** Of the environment. Throws where it is not set. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run these tests by pytest tests/typescript`);
  return value;
}

/** A client of a trusted back end. */
export function backEnd(options: ClientOptions = {}): Client {
  return new Client({ servers: setting("DENIZEN_NATS_URL"), timeout: 30_000, ...options });
}

/** A client of another NATS user, such as `frontend`. */
export function clientOf(user: string, options: ClientOptions = {}): Client {
  const password = setting(`DENIZEN_TEST_${user.toUpperCase()}_PASSWORD`);
  return backEnd({ user, password, ...options });
}

/** An address that no other test uses. */
export function email(): string {
  return `${randomUUID()}@example.com`;
}

/** The six digits that were mailed to an address, as soon as the mail has come. */
export async function mailedCode(address: string): Promise<string> {
  const folder = join(setting("DENIZEN_TEST_MAIL"), "new");
  for (let until = performance.now() + 30_000; performance.now() < until; await setTimeout(20)) {
    for (const name of await readdir(folder)) {
      const mail = await readFile(join(folder, name), "utf8");
      const code = /^(\d{6})\r?$/m.exec(mail)?.[1];
      if (mail.includes(`X-Original-To: ${address}`) && code !== undefined) return code;
    }
  }
  throw new Error("no code was mailed within 30 s");
}

/** Wait until the condition holds. Throws where it does not in time. */
export async function eventually(what: string, holds: () => Promise<boolean>, milliseconds = 30_000): Promise<void> {
  for (let until = performance.now() + milliseconds; performance.now() < until; await setTimeout(5)) {
    if (await holds()) return;
  }
  throw new Error(`${what}: not within ${milliseconds / 1000} s`);
}

/** Kill nats-server, as a crash does; `denizen up` starts it again. */
export async function killNats(): Promise<void> {
  const path = join(setting("DENIZEN_TEST_MAIL"), "..", "children.json");
  const children = JSON.parse(await readFile(path, "utf8")) as { nats: { pid: number } };
  process.kill(children.nats.pid, "SIGKILL");
}

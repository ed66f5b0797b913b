/**
 * Runs the table of contracts/cases/calls/ and prints the outcome of each call. tests/typescript/test_cases.py plays the
 * service's part, and judges what was sent and what came back. Without a user, a case runs against a Denizen.
 *
 *     node cases.js < [{"user"?, "case"}, …]
 */

import { text } from "node:stream/consumers";
import { Client, DenizenError } from "@denizen/client";
import { setting } from "./support.js";

interface Call {
  call: string;
  as?: string;
  token?: string;
  args: Record<string, unknown>;
  options?: { timeout?: unknown };
  cancelAfter?: number;
}
interface Case {
  name: string;
  client?: { timeout?: number; seesLatest?: boolean };
  calls: Call[];
}
type Method = (...given: unknown[]) => unknown;

/** Cases that run side by side. */
const AT_ONCE = 24;
/** The arguments that have a place of their own before the object with the others. */
const PLACES = ["userId", "sessionId", "refreshToken", "token"];
/** Of these methods other arguments have one, or none has. */
const OTHER_PLACES: Record<string, readonly string[]> = {
  "users.changeEmail": ["userId", "email"],
  "users.getByEmail": ["email"],
  "users.getByExternalId": ["externalId"],
  "users.sendPasswordResetEmail": ["email"],
  "users.confirmPasswordReset": [],
  "me.changeEmail": ["email"],
};
/** The methods that take no object. */
const PLAIN = new Set([
  ...["unblock", "deactivate", "reactivate", "delete", "changeEmail", "sendVerificationEmail"].map(
    (name) => `users.${name}`,
  ),
  ...["getByEmail", "getByExternalId", "sendPasswordResetEmail", "listIdentities"].map((name) => `users.${name}`),
  ...["refresh", "list", "revoke", "revokeAll", "verify"].map((name) => `sessions.${name}`),
  ...["get", "listSessions", "listIdentities", "revokeSession", "logOut"].map((name) => `me.${name}`),
]);

function argumentsOf({ call, args, options = {}, cancelAfter }: Call): unknown[] {
  const places = (OTHER_PLACES[call] ?? PLACES).filter((name) => name in args);
  const rest = Object.fromEntries(Object.entries(args).filter(([name]) => !places.includes(name)));
  const timeout = typeof options.timeout === "number" ? { timeout: options.timeout * 1000 } : {};
  const signal = cancelAfter === undefined ? {} : { signal: AbortSignal.timeout(cancelAfter * 1000) };
  return [
    ...places.map((name) => args[name]),
    ...(PLAIN.has(call) ? [] : [rest]),
    { ...options, ...timeout, ...signal },
  ];
}

/** Where the client gives a list, the wire has an object; where it says that nothing is disclosed, the wire has nothing. */
function asOnTheWire(call: string, result: unknown): unknown {
  if (Array.isArray(result) && call !== "users.iterAll") return { data: result };
  if (call === "users.register" && (result as { id?: string }).id === undefined) return null;
  return result ?? null;
}

async function called(client: Client, call: Call): Promise<unknown> {
  const [where = "", name = ""] = call.call.split(".");
  const noun = where === "me" ? client.auth.me(call.token ?? "") : client.auth[where as "users" | "sessions"];
  const method = noun[name as keyof typeof noun] as Method;
  const answer = method.apply(noun, argumentsOf(call));
  if (call.call !== "users.iterAll") return asOnTheWire(call.call, await answer);
  const all = [];
  for await (const each of answer as AsyncIterable<unknown>) all.push(each);
  return all;
}

function classes(error: object): string[] {
  const above = Object.getPrototypeOf(error) as object | null;
  return above === null ? [] : [above.constructor.name, ...classes(above)];
}

async function outcome(client: Client, call: Call): Promise<object> {
  try {
    return { result: await called(client, call) };
  } catch (error) {
    if (error instanceof DenizenError) {
      const { code, number, message, field = null, details } = error;
      return { error: { classes: classes(error), code, number, message, field, details } };
    }
    if (error instanceof DOMException) return { cancelled: true };
    if (error instanceof TypeError || error instanceof RangeError) return { argument: error.message.split(":")[0] };
    throw error;
  }
}

/** What a case says, with values of earlier results in the place of `@name.field`. */
function resolved<T>(node: T, results: Record<string, unknown>): T {
  const text = JSON.stringify(node, (_, value) => {
    if (typeof value !== "string" || !value.startsWith("@")) return value;
    const [name = "", field = ""] = value.slice(1).split(".");
    return (results[name] as Record<string, unknown> | undefined)?.[field] ?? null;
  });
  return JSON.parse(text) as T;
}

async function run(
  user: string | undefined,
  { name, client: { timeout = 20, seesLatest = false } = {}, calls }: Case,
): Promise<void> {
  const servers = setting("DENIZEN_NATS_URL");
  const login = user === undefined ? {} : { user, password: "any" };
  await using client = new Client({ servers, ...login, timeout: timeout * 1000 });
  if (seesLatest) client.seeLatest();
  const outcomes: object[] = [];
  const results: Record<string, unknown> = {};
  for (const call of calls) {
    const ended = await outcome(client, user === undefined ? resolved(call, results) : call);
    outcomes.push(ended);
    if (call.as !== undefined) results[call.as] = "result" in ended ? ended.result : undefined;
  }
  process.stdout.write(`${JSON.stringify({ name, outcomes })}\n`);
}

const table = JSON.parse(await text(process.stdin)) as { user?: string; case: Case }[];
const queue = table.values();
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (const each of queue) await run(each.user, each.case);
  }),
);

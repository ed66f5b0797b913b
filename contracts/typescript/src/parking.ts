/**
 * Parked events: those that a subscription gave up on, so that it could go on with the next (docs/decisions/0031).
 *
 * Each is a message on the stream USERS_PARKED, under `users.v1.parked.<durable>.<position>`, of which the newest counts:
 * `parked`; `retry`, which the subscription waits for; `done`, which NATS drops after a second.
 */

import { JetStreamApiError } from "@nats-io/jetstream";
import { type NatsConnection, headers as natsHeaders } from "@nats-io/nats-core";
import { type Event, eventOf, STREAM } from "./event.js";
import { storedMessage } from "./jetstream.js";
import { decoded, encoded } from "./json.js";
import { Beginning } from "./starting.js";

export const PARKED_STREAM = "USERS_PARKED";
const PREFIX = "users.v1.parked";
const STORE_MILLISECONDS = 5000;

/** The body of a message of the stream. */
export interface Note {
  state: "parked" | "retry" | "done";
  position: number;
  /** Of the event on USERS_EVENTS. */
  sequence: number;
  tries: number;
  /** The name of the error's class, never its text, which may hold personal data; null: the process ended each time. */
  error: string | null;
  /** RFC 3339. */
  at: string;
}

/** The note that a message holds; undefined where it holds none: a client that may park events can write anything. */
export function noteOf(data: Uint8Array): Note | undefined {
  let note: Partial<Note> | null;
  try {
    note = decoded<Partial<Note> | null>(data);
  } catch {
    return undefined;
  }
  if (typeof note !== "object" || note === null) return undefined;
  const { state, position, sequence, tries, error, at } = note;
  const isNote =
    (state === "parked" || state === "retry" || state === "done") &&
    isWhole(position, 1) &&
    isWhole(sequence, 1) &&
    isWhole(tries, 0) &&
    (error === null || typeof error === "string") &&
    typeof at === "string" &&
    !Number.isNaN(Date.parse(at));
  return isNote ? { state, position, sequence, tries, error, at } : undefined;
}

/** A note of an event that is given up on. `error` undefined: the process ended each time. */
export function givenUp(position: number, sequence: number, tries: number, error: unknown): Note {
  return { state: "parked", position, sequence, tries, error: nameOf(error), at: new Date().toISOString() };
}

/** The note of an event whose retry has failed. `error` undefined: the process ended each time. */
export function failedAgain(note: Note, error: unknown): Note {
  return givenUp(note.position, note.sequence, note.tries + 1, error);
}

/** The subjects under which a durable's events are parked. */
export function subjectsOf(durable: string): string {
  return `${PREFIX}.${durable}.*`;
}

/** Store what becomes of an event; returns when it is stored. Throws errors of NATS and JetStream. */
export async function write(connection: NatsConnection, durable: string, note: Note): Promise<void> {
  const headers = natsHeaders();
  headers.set("Nats-Expected-Stream", PARKED_STREAM);
  if (note.state === "done") headers.set("Nats-TTL", "1s");
  const subject = `${PREFIX}.${durable}.${note.position}`;
  const reply = await connection.request(subject, encoded(note), { headers, timeout: STORE_MILLISECONDS });
  const { error } = reply.json<{ error?: ConstructorParameters<typeof JetStreamApiError>[0] }>();
  if (error !== undefined) throw new JetStreamApiError(error);
}

/** The event itself; undefined where the stream has none at this position. */
export async function parkedEvent(connection: NatsConnection, note: Note): Promise<Event | undefined> {
  let event = await eventAt(connection, note.sequence);
  if (event?.position !== note.position) {
    // The stream was lost, and is filled again from the log: the event may have another number now.
    event = await eventAt(connection, await Beginning.of(note.position).sequence(connection));
  }
  return event?.position === note.position ? event : undefined;
}

async function eventAt(connection: NatsConnection, sequence: number): Promise<Event | undefined> {
  const message = await storedMessage(connection, STREAM, { seq: sequence });
  return message === undefined ? undefined : eventOf(message.header, message.data);
}

/** As SetParkedEvent takes it. */
function nameOf(error: unknown): string | null {
  if (error === undefined) return null;
  const name = error instanceof Error ? error.name : typeof error;
  return name.replace(/[^A-Za-z0-9_]/g, "_").slice(0, 128);
}

function isWhole(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

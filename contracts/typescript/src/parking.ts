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

/** An event that a subscription gave up on. */
export interface ParkedEvent {
  readonly event: Event;
  /** How often it was delivered to a handler. */
  readonly tries: number;
  /** The name of the last error's class; null where the handler's process ended each time. */
  readonly error: string | null;
  /** When it was parked; after a retry that failed, the time of that. */
  readonly parkedAt: Date;
  /** Whether a retry was asked for, and has not ended. */
  readonly isRetrying: boolean;
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

/**
 * Store what becomes of an event; returns when it is stored. Throws errors of NATS and JetStream: among them one where
 * the newest message about the event is not number `replaces`.
 */
export async function write(
  connection: NatsConnection,
  durable: string,
  note: Note,
  replaces: number | undefined,
): Promise<void> {
  const headers = natsHeaders();
  headers.set("Nats-Expected-Stream", PARKED_STREAM);
  if (note.state === "done") headers.set("Nats-TTL", "1s");
  if (replaces !== undefined) headers.set("Nats-Expected-Last-Subject-Sequence", String(replaces));
  const subject = `${PREFIX}.${durable}.${note.position}`;
  const reply = await connection.request(subject, encoded(note), { headers, timeout: STORE_MILLISECONDS });
  const { error } = reply.json<{ error?: ConstructorParameters<typeof JetStreamApiError>[0] }>();
  if (error !== undefined) throw new JetStreamApiError(error);
}

/** A note, and the number of its message on the stream. */
export interface StoredNote {
  sequence: number;
  note: Note;
}

/** The parked events of a durable, by position. Throws errors of NATS and JetStream, the reason of the signal. */
export async function notes(
  connection: NatsConnection,
  durable: string,
  signal: AbortSignal | undefined,
): Promise<Map<number, StoredNote>> {
  const found = new Map<number, StoredNote>();
  let sequence = 0;
  while (true) {
    signal?.throwIfAborted();
    const next = { seq: sequence + 1, next_by_subj: subjectsOf(durable) };
    const message = await storedMessage(connection, PARKED_STREAM, next);
    if (message === undefined) return found;
    sequence = message.seq;
    const note = noteOf(message.data);
    if (note === undefined) continue;
    // A note that changes meanwhile is met a second time: the newest counts.
    if (note.state === "done") found.delete(note.position);
    else found.set(note.position, { sequence, note });
  }
}

/** All parked events of a durable that the stream of events has, in the order of the log. Throws as `notes`. */
export async function parkedEvents(
  connection: NatsConnection,
  durable: string,
  signal: AbortSignal | undefined,
): Promise<ParkedEvent[]> {
  const found = [...(await notes(connection, durable, signal)).values()];
  found.sort((one, other) => one.note.position - other.note.position);
  const parked: ParkedEvent[] = [];
  for (const { note } of found) {
    signal?.throwIfAborted();
    const event = await parkedEvent(connection, note);
    if (event === undefined) continue;
    const { tries, error, state } = note;
    parked.push({ event, tries, error, parkedAt: new Date(note.at), isRetrying: state === "retry" });
  }
  return parked;
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

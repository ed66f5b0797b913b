/**
 * The durable consumers of a subscription: how they are configured, and how one that exists is compared.
 *
 * The relay makes them (FollowEvents), because NATS has no permission for what a consumer is configured to do
 * (docs/decisions/0035). Where no relay answers, or the NATS user may not ask it, the client makes them itself, if the
 * NATS user may.
 */

import { AckPolicy, type ConsumerConfig, DeliverPolicy } from "@nats-io/jetstream";
import { NatsPermissionDenied, NoAnswer, VersionConflict } from "./errors.js";
import { ACK_WAIT } from "./following.js";
import { EVENT_TYPES, type EventType } from "./generated/messages.js";
import { failure, numberOf, WRONG_LAST_SEQUENCE } from "./jetstream.js";
import { type Note, subjectsOf, write } from "./parking.js";
import { type Beginning, Beginning as Beginnings, METADATA } from "./starting.js";
import type { Transport } from "./transport.js";

const ALL = "users.v1.event.*.*";
/** Nanoseconds after which the server forgets a consumer that is not durable and that no request comes to. */
const FORGOTTEN = 60_000_000_000;

/** The subjects of types of events. Throws RangeError, which lists the types, where one does not exist. */
export function filters(names: readonly string[]): string[] {
  if (names.length === 0) throw new RangeError("event: name a type of events, or * for all");
  for (const name of names) {
    if (name !== "*" && !(EVENT_TYPES as readonly string[]).includes(name)) {
      const known = EVENT_TYPES.join(", ");
      throw new RangeError(`event: there is no type of events ${JSON.stringify(name)}; the types are ${known}, and *`);
    }
  }
  return names.includes("*") ? [ALL] : [...new Set(names)].sort().map((name) => `users.v1.event.${name}.*`);
}

/** The types whose events come on these subjects, as FollowEvents has them. */
export function typesOf(subjects: readonly string[]): EventType[] {
  return subjects.includes(ALL) ? [] : subjects.map((subject) => subject.split(".")[3] as EventType);
}

/**
 * Configure a consumer of USERS_EVENTS, from the stream's `sequence` on.
 *
 * It delivers one event at a time: the next one only when this one is acknowledged, whichever process handles it.
 */
export function following(
  durable: string | undefined,
  subjects: readonly string[],
  beginning: Beginning,
  sequence: number,
): Partial<ConsumerConfig> {
  const [only] = subjects;
  return {
    ack_policy: AckPolicy.Explicit,
    ack_wait: ACK_WAIT,
    max_ack_pending: 1,
    ...(subjects.length === 1 && only !== undefined ? { filter_subject: only } : { filter_subjects: [...subjects] }),
    ...(durable === undefined
      ? { inactive_threshold: FORGOTTEN }
      : { durable_name: durable, metadata: { [METADATA]: beginning.text } }),
    ...(sequence > 1 ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: sequence } : {}),
  };
}

/** Configure the consumer of USERS_PARKED by which a durable's parked events are retried. */
export function retrying(durable: string): Partial<ConsumerConfig> {
  return {
    durable_name: durable,
    filter_subject: subjectsOf(durable),
    ack_policy: AckPolicy.Explicit,
    ack_wait: ACK_WAIT,
    max_ack_pending: 1,
  };
}

/** Throws RangeError where the consumer that exists is not the one that is asked for. `beginning` undefined: any. */
export function compare(
  durable: string | undefined,
  known: ConsumerConfig,
  subjects: readonly string[],
  beginning: Beginning | undefined,
): void {
  if (known.deliver_subject !== undefined) {
    throw new RangeError(`the durable ${durable} is a push consumer: delete it, or take another name`);
  }
  const follows = known.filter_subjects ?? [known.filter_subject ?? ALL];
  if (follows.length !== subjects.length || !follows.every((subject) => subjects.includes(subject))) {
    throw new RangeError(`the durable ${durable} follows ${follows.join(", ")}, not ${subjects.join(", ")}`);
  }
  const began = Beginnings.stored(known.metadata);
  if (durable !== undefined && beginning !== undefined && beginning.text !== began.text) {
    throw new RangeError(
      `the durable ${durable} began at ${began.text}, not ${beginning.text}: leave out \`start\`, and it goes on ` +
        "where it was, or take another name",
    );
  }
}

/**
 * Store what becomes of an event; returns when it is stored.
 *
 * Throws VersionConflict where the newest message about the event is not number `replaces`, and other DenizenErrors.
 */
export async function setParked(transport: Transport, durable: string, note: Note, replaces?: number): Promise<void> {
  const body = replaces === undefined ? note : { ...note, replaces };
  await byRelay(transport, "SetParkedEvent", durable, body, async () => {
    try {
      await write((await transport.connection()).nats, durable, note, replaces);
    } catch (error) {
      if (numberOf(error) !== WRONG_LAST_SEQUENCE) throw error;
      throw new VersionConflict("the parked event has changed meanwhile", { cause: error });
    }
  });
}

/**
 * Have the relay do it; where it does not answer, or may not be asked, do it `directly`.
 *
 * Throws DenizenError: what the relay answers, or why it does not answer where the NATS user may not do it directly.
 */
export async function byRelay(
  transport: Transport,
  operation: "FollowEvents" | "SetParkedEvent",
  durable: string,
  body: object,
  directly: () => Promise<unknown>,
): Promise<void> {
  try {
    await transport.subscriber(operation, durable, body, 0);
    return;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
  }
  try {
    await directly();
  } catch (error) {
    const said = failure(`the durable ${durable}`, error);
    if (!(said instanceof NatsPermissionDenied)) throw said;
    await transport.subscriber(operation, durable, body);
  }
}

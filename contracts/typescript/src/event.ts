/** An event of the feed, as handlers get it. */

import type { MsgHdrs } from "@nats-io/nats-core";
import type { EventData, EventType } from "./generated/messages.js";
import { decoded } from "./json.js";

/** The stream of events. */
export const STREAM = "USERS_EVENTS";

/** An event of a user. It is thin: a handler that needs more asks for the user. */
export interface Event {
  /** Unique; an event that is delivered twice has the same. */
  id: string;
  /** `UserBlocked`. */
  type: EventType;
  userId: string;
  /** When it was recorded in the log. */
  time: Date;
  /** Its place in the log; positions ascend. */
  position: number;
  data: EventData;
  /** That of the command that caused it (W3C Trace Context), where that had one. */
  traceparent: string | undefined;
}

/** The event that a message of the stream holds. Throws TypeError, SyntaxError where it holds none. */
export function eventOf(headers: MsgHdrs | undefined, data: Uint8Array): Event {
  return {
    id: required(headers, "ce-id"),
    type: required(headers, "ce-type").split(".").at(-1) as EventType,
    userId: required(headers, "ce-subject"),
    time: timeOf(headers),
    position: positionOf(headers),
    data: decoded<EventData>(data),
    traceparent: headers?.get("traceparent") || undefined,
  };
}

/** The log position of an event of the stream. */
export function positionOf(headers: MsgHdrs | undefined): number {
  return Number(required(headers, "ce-sequence"));
}

/** The time of an event of the stream. */
export function timeOf(headers: MsgHdrs | undefined): Date {
  return new Date(required(headers, "ce-time"));
}

function required(headers: MsgHdrs | undefined, name: string): string {
  const value = headers?.get(name);
  if (!value) throw new TypeError(`a message of ${STREAM} has no header ${name}`);
  return value;
}

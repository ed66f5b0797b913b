/** What the client asks JetStream, and its errors as those of this package. */

import {
  type ConsumerConfig,
  type ConsumerInfo,
  JetStreamApiError,
  jetstreamManager,
  type MsgRequest,
  type NextMsgRequest,
  type StoredMsg,
} from "@nats-io/jetstream";
import { type NatsConnection, errors as nats } from "@nats-io/nats-core";
import { DenizenError, JetStreamUnavailable, NatsPermissionDenied, NoAnswer } from "./errors.js";

/** The error number of JetStream for a message that does not follow the one that it names. */
export const WRONG_LAST_SEQUENCE = 10071;
const CONSUMER_NOT_FOUND = 10014;
/** Error numbers of JetStream: not enabled for the account, not enabled for the server. */
const NOT_ENABLED = [10039, 10076];
const ASK_MILLISECONDS = 5000;

/** A consumer; undefined where there is none. */
export async function consumerInfo(
  connection: NatsConnection,
  stream: string,
  name: string,
): Promise<ConsumerInfo | undefined> {
  try {
    return await (await manager(connection)).consumers.info(stream, name);
  } catch (error) {
    if (numberOf(error) === CONSUMER_NOT_FOUND) return undefined;
    throw error;
  }
}

/** Make a consumer. */
export async function addConsumer(
  connection: NatsConnection,
  stream: string,
  config: Partial<ConsumerConfig>,
): Promise<ConsumerInfo> {
  return (await manager(connection)).consumers.add(stream, config);
}

/** A message of a stream; undefined where there is none. */
export async function storedMessage(
  connection: NatsConnection,
  stream: string,
  query: MsgRequest | NextMsgRequest,
): Promise<StoredMsg | undefined> {
  // nats.js has the query for the next message of a subject in the types of its direct API alone; it sends any.
  return (await (await manager(connection)).streams.getMessage(stream, query as MsgRequest)) ?? undefined;
}

/** The first and the last sequence number of a stream, and how many messages it has. */
export async function stateOf(
  connection: NatsConnection,
  stream: string,
): Promise<{ first: number; last: number; messages: number }> {
  const { state } = await (await manager(connection)).streams.info(stream);
  return { first: state.first_seq, last: state.last_seq, messages: state.messages };
}

function manager(connection: NatsConnection): ReturnType<typeof jetstreamManager> {
  return jetstreamManager(connection, { checkAPI: false, timeout: ASK_MILLISECONDS });
}

/** The error number of JetStream's API, 0 for other errors. */
export function numberOf(error: unknown): number {
  return error instanceof JetStreamApiError ? error.code : 0;
}

/** Whether an error is one of NATS or JetStream, or one of ours that passes: the server may answer again later. */
export function isOutage(error: unknown): boolean {
  return error instanceof NoAnswer || error instanceof JetStreamApiError || isOfNats(error);
}

function isOfNats(error: unknown): boolean {
  return Object.values(nats).some((kind) => error instanceof kind);
}

/** The error for the caller. `what`: what was asked for, such as `the stream USERS_EVENTS`. */
export function failure(what: string, error: unknown): unknown {
  if (error instanceof DenizenError || !isOutage(error)) return error;
  const violation = [error, (error as Error).cause].find((each) => each instanceof nats.PermissionViolationError);
  if (violation instanceof nats.PermissionViolationError) {
    return new NatsPermissionDenied(`the NATS user may not ${violation.operation} to ${violation.subject}`);
  }
  if (isNoResponders(error) || NOT_ENABLED.includes(numberOf(error))) {
    return new JetStreamUnavailable(
      `${what} is out of reach: NATS runs without JetStream, or without it for this user`,
      { cause: error },
    );
  }
  return new NoAnswer(`${what} is out of reach: ${(error as Error).message}`, { cause: error });
}

function isNoResponders(error: unknown): boolean {
  return error instanceof nats.NoRespondersError || (error instanceof nats.RequestError && error.isNoResponders());
}

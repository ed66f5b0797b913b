// Made by `make contract` from contracts/denizen. Change the Python side instead.

/** Request: the command id. A repeat within 24 h gets the first reply and changes nothing. Event: the event id. */
export const COMMAND_ID = "Nats-Msg-Id";
/** Regular expression of a whole command id. */
export const COMMAND_ID_FORM = "[\\x21-\\x7e]{1,128}";
/** Request: the user's version that the caller has seen; another one is refused with `version_conflict`. */
export const EXPECTED_VERSION = "Denizen-Expected-Version";
/** Request: RFC 3339 time; a command not started by then is refused with `deadline_exceeded`, never run late. */
export const DEADLINE = "Denizen-Deadline";
/** Request: who asks, for the history; an opaque id, never an address or a name. */
export const ACTOR = "Denizen-Actor";
/** Request on `users.v1.self.*`: `Bearer <access token>` (RFC 6750). */
export const AUTHORIZATION = "Authorization";
/** Request: an X25519 public key, 32 octets in base64url without padding; the reply is sealed for it. */
export const REPLY_KEY = "Denizen-Reply-Key";
/** Reply: there, with the value `1`, where its body is sealed. */
export const SEALED_REPLY = "Denizen-Sealed-Reply";
/** Query: wait until this log position is applied, else `stale_read`; or until `LATEST` is. */
export const MIN_POSITION = "Denizen-Min-Position";
/** As `Denizen-Min-Position`: what is committed when the query arrives. */
export const LATEST = "latest";
/** Regular expression of a position in replies to `public.*` and `self.*`: encrypted, it tells nothing. */
export const OPAQUE_POSITION_FORM = "-[0-9]{116}";
/** Reply to a query: the log position that the answer shows. */
export const POSITION = "Denizen-Position";
/** Request and event: W3C trace context. */
export const TRACEPARENT = "traceparent";
/** Event: the same, as an attribute of the CloudEvent (its Distributed Tracing extension). */
export const CE_TRACEPARENT = "ce-traceparent";
/** Reply: the refusal's message (NATS ADR-32). */
export const SERVICE_ERROR = "Nats-Service-Error";
/** Reply: the refusal's number (NATS ADR-32). */
export const SERVICE_ERROR_CODE = "Nats-Service-Error-Code";
/** Reply to ExportUsers: the subject on which the next piece is asked for; absent from the last one. */
export const EXPORT = "Denizen-Export";

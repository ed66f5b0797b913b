// Made by `make contract` from contracts/denizen. Change the Python side instead.

/** The codes that a service answers with. */
export type ErrorCode = "code_invalid" | "command_not_found" | "deadline_exceeded" | "email_not_verified" | "email_taken" | "external_id_taken" | "forbidden" | "identity_not_found" | "identity_taken" | "internal" | "invalid_credentials" | "invalid_transition" | "malformed_message" | "overloaded" | "password_change_required" | "stale_read" | "token_invalid" | "too_many_attempts" | "unauthenticated" | "user_blocked" | "user_deactivated" | "user_not_found" | "validation_failed" | "version_conflict" | "weak_password";

/**
 * A request that Denizen refused.
 *
 * Attributes:
 * code: stable name of the reason, for programs (`email_taken`).
 * number: its number, as in `Nats-Service-Error-Code`.
 * message: one sentence for people; never holds input.
 * field: dotted camelCase path of the offending field, where one is to blame.
 * details: further facts: for `validation_failed` one `{"field", "message"}` for each fault.
 */
export class DenizenError extends Error {
  static readonly code: string = "";
  static readonly number: number = 500;
  readonly code: string;
  readonly number: number;
  readonly field: string | undefined;
  readonly details: readonly unknown[];

  constructor(message: string, more: ErrorDetails = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = new.target.name;
    this.code = more.code ?? new.target.code;
    this.number = new.target.number;
    this.field = more.field;
    this.details = more.details ?? [];
  }
}

/** What an error says besides its message. `code`: only of one that this version does not know. */
export interface ErrorDetails {
  field?: string | undefined;
  details?: readonly unknown[] | undefined;
  code?: string | undefined;
  cause?: unknown;
}

/** The request is not JSON of the form that its subject takes, or a sealed secret in it cannot be opened. */
export class MalformedMessage extends DenizenError {
  static override readonly code: string = "malformed_message";
  static override readonly number: number = 400;
}

/** The request does not say which user sends it: the header `Authorization` is missing or has another form. */
export class Unauthenticated extends DenizenError {
  static override readonly code: string = "unauthenticated";
  static override readonly number: number = 401;
}

/** The address and the password do not belong together. Denizen never says which of them is wrong. */
export class InvalidCredentials extends Unauthenticated {
  static override readonly code: string = "invalid_credentials";
}

/** The mailed code is wrong, has expired or was used, or there is nothing to verify. */
export class CodeInvalid extends Unauthenticated {
  static override readonly code: string = "code_invalid";
}

/** A token is wrong, has expired or was used, or its session has ended. */
export class TokenInvalid extends Unauthenticated {
  static override readonly code: string = "token_invalid";
}

/** The caller may not do this, or must prove who they are first, by the password or a new sign-in. */
export class Forbidden extends DenizenError {
  static override readonly code: string = "forbidden";
  static override readonly number: number = 403;
}

/** The user is blocked and cannot sign in or change anything until an operator unblocks them. */
export class UserBlocked extends Forbidden {
  static override readonly code: string = "user_blocked";
}

/** The address must be verified before the user can sign in. `details` names the user. */
export class EmailNotVerified extends Forbidden {
  static override readonly code: string = "email_not_verified";
}

/** The user is deactivated and cannot sign in or change anything until an operator reactivates them. */
export class UserDeactivated extends Forbidden {
  static override readonly code: string = "user_deactivated";
}

/** The user must set a new password before they can sign in. `details` names the user. */
export class PasswordChangeRequired extends Forbidden {
  static override readonly code: string = "password_change_required";
}

/** The thing that the request names does not exist. */
export class NotFound extends DenizenError {
  static override readonly number: number = 404;
}

/** No user has this id, address or external id, or the user was deleted. */
export class UserNotFound extends NotFound {
  static override readonly code: string = "user_not_found";
}

/** The user has no such identity. */
export class IdentityNotFound extends NotFound {
  static override readonly code: string = "identity_not_found";
}

/** No command has this id. It is kept for durable commands, which do not exist yet. */
export class CommandNotFound extends NotFound {
  static override readonly code: string = "command_not_found";
}

/** The request conflicts with what is stored. */
export class Conflict extends DenizenError {
  static override readonly number: number = 409;
}

/** Another user has this e-mail address. */
export class EmailTaken extends Conflict {
  static override readonly code: string = "email_taken";
}

/** Another user has this external id. */
export class ExternalIdTaken extends Conflict {
  static override readonly code: string = "external_id_taken";
}

/** Another user has this identity. */
export class IdentityTaken extends Conflict {
  static override readonly code: string = "identity_taken";
}

/** The user has another version than the expected one. `details` names the version. */
export class VersionConflict extends Conflict {
  static override readonly code: string = "version_conflict";
}

/** The user is not in a state in which this can be done, such as unblocking a user who is not blocked. */
export class InvalidTransition extends Conflict {
  static override readonly code: string = "invalid_transition";
}

/** A field or header is wrong. `field` names the first one, `details` all fields. */
export class ValidationFailed extends DenizenError {
  static override readonly code: string = "validation_failed";
  static override readonly number: number = 422;
}

/** The new password is too short, too easily guessed, or the same as before. */
export class WeakPassword extends ValidationFailed {
  static override readonly code: string = "weak_password";
}

/** Too many guesses, mails or changes in a short time. Wait a little and try again. */
export class TooManyAttempts extends DenizenError {
  static override readonly code: string = "too_many_attempts";
  static override readonly number: number = 429;
}

/** Denizen failed. A command may have been done: repeat it with the same id to learn its outcome. */
export class InternalError extends DenizenError {
  static override readonly code: string = "internal";
  static override readonly number: number = 500;
}

/** Nothing was done; ask again a little later. */
export class Unavailable extends DenizenError {
  static override readonly number: number = 503;
}

/** Too many requests wait. Try again in a moment. */
export class Overloaded extends Unavailable {
  static override readonly code: string = "overloaded";
}

/** The projection did not reach the demanded position in time. Try again in a moment. */
export class StaleRead extends Unavailable {
  static override readonly code: string = "stale_read";
}

/** The deadline of the request passed before it was begun. */
export class DeadlineExceeded extends DenizenError {
  static override readonly code: string = "deadline_exceeded";
  static override readonly number: number = 504;
}

/**
 * Nothing came back in time, so a command may have run or not: repeat it with the same `idempotency_key` to learn.
 * Its subclasses say what is known to be the cause.
 *
 * Not in `BY_CODE`: no service ever answers this.
 */
export class NoAnswer extends DenizenError {
  static override readonly code: string = "no_answer";
  static override readonly number: number = 504;
}

/** NATS does not know the user, or the password is wrong. Nothing was done; a repeat does not help. */
export class NatsLoginRefused extends NoAnswer {
  static override readonly code: string = "nats_login_refused";
  static override readonly number: number = 503;
}

/** The NATS user may not publish the request or hear its reply (deploy/nats/). A repeat does not help. */
export class NatsPermissionDenied extends NoAnswer {
  static override readonly code: string = "nats_permission_denied";
  static override readonly number: number = 503;
}

/** TLS was asked for, and the server has none, or its certificate is not trusted or is another host's. */
export class TlsFailed extends NoAnswer {
  static override readonly code: string = "tls_failed";
  static override readonly number: number = 503;
}

/** NATS answers, and has no JetStream for this user: no events, and no revocations for verifiers. */
export class JetStreamUnavailable extends NoAnswer {
  static override readonly code: string = "jetstream_unavailable";
  static override readonly number: number = 503;
}

/** The client was used before the process forked, and its connection is the parent's. Make one in the child. */
export class UsedAfterFork extends DenizenError {
  static override readonly code: string = "used_after_fork";
  static override readonly number: number = 500;
}

/** The client is connected on another event loop, which still runs. Make one for each loop. */
export class WrongEventLoop extends DenizenError {
  static override readonly code: string = "wrong_event_loop";
  static override readonly number: number = 500;
}

type ErrorClass = new (message: string, more?: ErrorDetails) => DenizenError;

/** The class of each code of the contract. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorClass>> = {
  code_invalid: CodeInvalid,
  command_not_found: CommandNotFound,
  deadline_exceeded: DeadlineExceeded,
  email_not_verified: EmailNotVerified,
  email_taken: EmailTaken,
  external_id_taken: ExternalIdTaken,
  forbidden: Forbidden,
  identity_not_found: IdentityNotFound,
  identity_taken: IdentityTaken,
  internal: InternalError,
  invalid_credentials: InvalidCredentials,
  invalid_transition: InvalidTransition,
  malformed_message: MalformedMessage,
  overloaded: Overloaded,
  password_change_required: PasswordChangeRequired,
  stale_read: StaleRead,
  token_invalid: TokenInvalid,
  too_many_attempts: TooManyAttempts,
  unauthenticated: Unauthenticated,
  user_blocked: UserBlocked,
  user_deactivated: UserDeactivated,
  user_not_found: UserNotFound,
  validation_failed: ValidationFailed,
  version_conflict: VersionConflict,
  weak_password: WeakPassword,
};

"""A request that is answered with an error: a result like any other, with a code of the contract.

Long, because each sentence is said here, and once (decision 47).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from denizen import headers
from denizen.errors import BY_CODE

from services.domain.claim_kinds import TAKEN, ClaimKind


class Refusal(Exception):
    """Returned by decisions; raised where a request is not even understood. `message` and `details` hold no input."""

    def __init__(self, code: str, message: str, *, field: str | None = None, details: Sequence[Any] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.field = field
        self.details = details

    def body(self) -> dict[str, Any]:
        """The reply's body (docs/reference/errors.md)."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Refusal":
        """The refusal of a body that was kept."""
        error = body["error"]
        return cls(error["code"], error["message"], field=error.get("field"), details=error.get("details", ()))

    def headers(self) -> dict[str, str]:
        """The reply's headers (NATS ADR-32)."""
        return {headers.SERVICE_ERROR: self.message, headers.SERVICE_ERROR_CODE: str(BY_CODE[self.code].number)}


# --- of the user ------------------------------------------------------------------------------------------------


def user_not_found() -> Refusal:
    return Refusal("user_not_found", "there is no user with this id", field="userId")


def user_not_found_by(field: str) -> Refusal:
    """A query by another field than the id found no user."""
    return Refusal("user_not_found", f"there is no user with this {field}", field=field)


def user_blocked() -> Refusal:
    return Refusal("user_blocked", "the user is blocked")


def user_deactivated() -> Refusal:
    return Refusal("user_deactivated", "the user is deactivated")


def not_blocked() -> Refusal:
    return Refusal("invalid_transition", "the user is not blocked")


def not_deactivated() -> Refusal:
    return Refusal("invalid_transition", "the user is not deactivated")


def taken(kind: ClaimKind) -> Refusal:
    """Another user has the claim."""
    code, field = TAKEN[kind]
    return Refusal(code, f"another user has this {field}", field=field)


# --- of addresses, passwords and codes ---------------------------------------------------------------------------


def address_unchanged() -> Refusal:
    return Refusal("invalid_transition", "the user has this address", field="email")


def address_verified() -> Refusal:
    return Refusal("invalid_transition", "the address is verified")


def email_not_verified(user_id: str) -> Refusal:
    return Refusal("email_not_verified", "the address is not verified", details=[{"userId": user_id}])


def password_change_required(user_id: str) -> Refusal:
    return Refusal("password_change_required", "the password must be changed first", details=[{"userId": user_id}])


def password_wrong(field: str | None = None) -> Refusal:
    """Also for an unknown address and a user without a password. `field`: where the caller is signed in."""
    return Refusal("invalid_credentials", "the password is not right", field=field)


def code_invalid() -> Refusal:
    return Refusal("code_invalid", "the code is not right, or has expired, or was used", field="code")


def nothing_to_verify() -> Refusal:
    return Refusal("code_invalid", "there is nothing to verify", field="code")


def token_invalid() -> Refusal:
    return Refusal("token_invalid", "the token is not right, or has expired, or was used", field="token")


# --- of identities ------------------------------------------------------------------------------------------------


def identity_not_found() -> Refusal:
    return Refusal("identity_not_found", "the user has no such identity", field="providerId")


def too_many_identities(most: int) -> Refusal:
    return Refusal("validation_failed", f"a user has at most {most} identities", field="provider")


# --- of values ----------------------------------------------------------------------------------------------------


def invalid(fault: str, field: str | None = None) -> Refusal:
    """A field whose value cannot be; `fault` says why."""
    return Refusal("validation_failed", fault, field=field)


def invalid_fields(faults: Sequence[Mapping[str, str]]) -> Refusal:
    """Fields with invalid values: each fault has a `field`, which may be empty, and a `message`. The first is shown."""
    first = faults[0]
    return Refusal("validation_failed", first["message"], field=first["field"] or None, details=faults)


def malformed(fault: str) -> Refusal:
    """A body or a secret in it that cannot be read; `fault` says why."""
    return Refusal("malformed_message", fault)


def weak_password(fault: str, field: str) -> Refusal:
    """A password that the policy refuses; `fault` says why."""
    return Refusal("weak_password", fault, field=field)


def password_unchanged(field: str) -> Refusal:
    return Refusal("weak_password", "the new password is the same as before: choose another one", field=field)


def password_given_twice() -> Refusal:
    return Refusal("validation_failed", "give one of password and passwordHash", field="passwordHash")


def hash_as_password() -> Refusal:
    message = "the password looks like a hash of another system: call the field or column passwordHash"
    return Refusal("validation_failed", message, field="password")


def not_a_time(field: str) -> Refusal:
    return Refusal("validation_failed", "must be a time as in RFC 3339", field=field)


# --- of tokens and sessions ---------------------------------------------------------------------------------------


def access_token_invalid(fault: str) -> Refusal:
    return Refusal("token_invalid", fault)


def no_token() -> Refusal:
    return Refusal("unauthenticated", "the header Authorization is missing", field="Authorization")


def no_bearer_token() -> Refusal:
    return Refusal("unauthenticated", "the header Authorization must be: Bearer <token>", field="Authorization")


def session_ended() -> Refusal:
    return Refusal("token_invalid", "the session has ended")


def sign_in_too_long_ago(minutes: int, field: str) -> Refusal:
    """An access token alone may be stolen; `field` takes the password."""
    message = f"the user signed in more than {minutes} minutes ago: send {field}, or sign in again"
    return Refusal("forbidden", message, field=field)


def session_of_another_user() -> Refusal:
    return Refusal("validation_failed", "the session is another user's", field="sessionId")


def refresh_token_invalid() -> Refusal:
    message = "the refresh token is not good, or was used, or the session has ended"
    return Refusal("token_invalid", message, field="refreshToken")


# --- of repeats and conditions ------------------------------------------------------------------------------------


def command_id_used() -> Refusal:
    """Another request had this command id."""
    message = "this command id was used for another request"
    return Refusal("validation_failed", message, field=headers.COMMAND_ID)


def sign_in_not_repeatable() -> Refusal:
    """The id is that of a sign-in whose session has been refreshed or has ended since."""
    return Refusal("invalid_credentials", "this command id was used, and no session is as it began by it")


def user_deleted() -> Refusal:
    """The answer to a repeat: the first answer showed a user who has been deleted since."""
    return Refusal("user_not_found", "the user was deleted", field="userId")


def deadline_exceeded() -> Refusal:
    return Refusal("deadline_exceeded", "the deadline passed before the request was started; nothing was done")


def deadline_exceeded_in_queue() -> Refusal:
    return Refusal("deadline_exceeded", "the deadline passed before the password's turn came")


def version_conflict(version: int) -> Refusal:
    """The caller expected another version of the user."""
    return Refusal("version_conflict", f"the user has version {version}", details=[{"version": version}])


def outcome_expired() -> Refusal:
    """The outcome of a repeated command was forgotten between two looks at it."""
    return Refusal("overloaded", "the outcome of this command id has just expired, try again")


def done_but_not_revoked() -> Refusal:
    return Refusal("internal", "it is done, but verifiers could not be told; repeat with the same command id")


def not_shown_yet() -> Refusal:
    return Refusal("stale_read", "what you have done is not shown yet; try again")


def projection_behind(position: int, lag: int) -> Refusal:
    """A projection is `lag` positions behind what the query demands."""
    details = [{"position": position, "lag": lag}]
    return Refusal("stale_read", f"the projection is {lag} positions behind", details=details)


# --- of load and outages ------------------------------------------------------------------------------------------


def headers_unreadable() -> Refusal:
    return Refusal("validation_failed", "the headers cannot be read; nothing was done")


def answer_too_large() -> Refusal:
    message = "the answer is larger than NATS takes: ask for fewer at a time (count)"
    return Refusal("validation_failed", message)


def done_but_answer_too_large() -> Refusal:
    return Refusal("internal", "it is done, but its answer is larger than NATS takes")


def too_many_attempts() -> Refusal:
    return Refusal("too_many_attempts", "too many attempts; wait a little and try again")


def too_many_changes() -> Refusal:
    return Refusal("too_many_attempts", "you make too many changes; wait a little and try again")


def too_many_requests() -> Refusal:
    return Refusal("overloaded", "too many requests are waiting; nothing was done, try again")


def too_many_queries() -> Refusal:
    return Refusal("overloaded", "too many queries are waiting, try again")


def too_many_passwords() -> Refusal:
    return Refusal("overloaded", "too many passwords are waiting; nothing was done, try again")


def too_many_commands() -> Refusal:
    return Refusal("overloaded", "too many commands wait for this user, try again")


def too_many_exports() -> Refusal:
    return Refusal("overloaded", "too many exports are under way; try again later")


def user_changed_by_too_many() -> Refusal:
    return Refusal("overloaded", "the user is being changed by too many at once; nothing was done")


def projection_missing() -> Refusal:
    return Refusal("overloaded", "the projection is being built from the log, try again")


def no_sealing_key() -> Refusal:
    return Refusal("overloaded", "there is no key to seal for until the accounts service has started")


def database_unavailable() -> Refusal:
    return Refusal("overloaded", "the database is out of reach; nothing was done, try again")


def service_ends() -> Refusal:
    return Refusal("overloaded", "the service ends; nothing was done, try again")


def failed() -> Refusal:
    return Refusal("internal", "the request failed")


def outcome_unknown() -> Refusal:
    message = "the log went out of reach; repeat with the same command id to learn the outcome"
    return Refusal("internal", message)


# --- of subscriptions -----------------------------------------------------------------------------------------------


def durable_not_named() -> Refusal:
    message = "the subject must end with a durable: 1 to 64 letters, digits, - and _"
    return Refusal("validation_failed", message)


def durable_differs(durable: str) -> Refusal:
    message = f"the durable {durable} exists, and follows other events or began elsewhere"
    return Refusal("validation_failed", message)


def too_many_durables(stream: str) -> Refusal:
    return Refusal("overloaded", f"the stream {stream} has as many consumers as it may: remove unused durables")


def two_starts() -> Refusal:
    return Refusal("validation_failed", "name one of start, startPosition and startTime", field="start")


def not_parked() -> Refusal:
    return Refusal("validation_failed", "no event is parked at this position", field="position")


def too_many_parked(durable: str, parked: int) -> Refusal:
    return Refusal("forbidden", f"the durable {durable} has {parked} parked events, as many as it may")


def parked_event_changed() -> Refusal:
    return Refusal("version_conflict", "the parked event has changed meanwhile", field="replaces")


def jetstream_unavailable() -> Refusal:
    return Refusal("overloaded", "JetStream does not answer as it should; try again")


# --- of imports and exports ---------------------------------------------------------------------------------------


def id_taken() -> Refusal:
    """The user may be erased: no event follows a deletion."""
    return Refusal("validation_failed", "another user has or had this id", field="id")


def import_interrupted() -> Refusal:
    return Refusal("overloaded", "the log went out of reach; repeat with the same ids")


def row_outcome_forgotten() -> Refusal:
    return Refusal("command_not_found", "done before; what became of it is not kept any more")


def chunk_differs() -> Refusal:
    """A chunk of a job came again with other rows."""
    message = "this chunk of the job came before with other rows, or to be taken in another way; name another job"
    return Refusal("validation_failed", message, field="importId")


def export_interrupted(message: str) -> Refusal:
    """A part of the file is sent already; `message` says why the rest cannot be."""
    return Refusal("internal", f"{message}; begin the export again")


def piece_out_of_order() -> Refusal:
    return Refusal("validation_failed", "pieces are asked for in order", field="piece")


def hashes_not_exported() -> Refusal:
    return Refusal("forbidden", "password hashes are exported by ExportUsersWithHashes alone", field="fields")

"""The refusals of Denizen, one exception a code.

DenizenError
├─ MalformedMessage            400
├─ Unauthenticated             401  (InvalidCredentials, CodeInvalid, TokenInvalid)
├─ Forbidden                   403  (UserBlocked, EmailNotVerified, UserDeactivated, PasswordChangeRequired)
├─ NotFound                    404  (UserNotFound, IdentityNotFound, CommandNotFound)
├─ Conflict                    409  (EmailTaken, ExternalIdTaken, IdentityTaken, VersionConflict, InvalidTransition)
├─ ValidationFailed            422  (WeakPassword)
├─ TooManyAttempts             429
├─ InternalError               500
├─ Unavailable                 503  (Overloaded, StaleRead)
├─ DeadlineExceeded            504
├─ NoAnswer                    504  (the client's own: nothing came back in time)
│  ├─ NatsLoginRefused         503  (wrong user or password of NATS: nothing was done)
│  ├─ NatsPermissionDenied     503  (the NATS user may not ask this: nothing was done)
│  ├─ TlsFailed                503  (no TLS, or a certificate that is not trusted: nothing was sent)
│  └─ JetStreamUnavailable     503  (NATS runs without JetStream, so without events and revocations)
├─ UsedAfterFork               500  (the client's own: it was made before the process forked)
└─ WrongEventLoop              500  (the client's own: it is in use on another event loop)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class DenizenError(Exception):
    """A request that Denizen refused.

    Attributes:
        code: stable name of the reason, for programs (`email_taken`).
        number: its number, as in `Nats-Service-Error-Code`.
        message: one sentence for people; never holds input.
        field: dotted camelCase path of the offending field, where one is to blame.
        details: further facts: for `validation_failed` one `{"field", "message"}` for each fault.
    """

    code: ClassVar[str]
    number: ClassVar[int]

    def __init__(self, message: str, *, field: str | None = None, details: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details = list(details)

    def __str__(self) -> str:
        at = f" ({self.field})" if self.field else ""
        return f"{self.code}: {self.message}{at}"


class MalformedMessage(DenizenError):
    """The request is not JSON of the form that its subject takes, or a sealed secret in it cannot be opened."""

    code, number = "malformed_message", 400


class Unauthenticated(DenizenError):
    """The request does not say which user sends it: the header `Authorization` is missing or has another form."""

    code, number = "unauthenticated", 401


class InvalidCredentials(Unauthenticated):
    """The address and the password do not belong together. Denizen never says which of them is wrong."""

    code = "invalid_credentials"


class CodeInvalid(Unauthenticated):
    """The mailed code is wrong, has expired or was used, or there is nothing to verify."""

    code = "code_invalid"


class TokenInvalid(Unauthenticated):
    """A token is wrong, has expired or was used, or its session has ended."""

    code = "token_invalid"


class Forbidden(DenizenError):
    """The caller may not do this, or must prove who they are first, by the password or a new sign-in."""

    code, number = "forbidden", 403


class UserBlocked(Forbidden):
    """The user is blocked and cannot sign in or change anything until an operator unblocks them."""

    code = "user_blocked"


class EmailNotVerified(Forbidden):
    """The address must be verified before the user can sign in. `details` names the user."""

    code = "email_not_verified"


class UserDeactivated(Forbidden):
    """The user is deactivated and cannot sign in or change anything until an operator reactivates them."""

    code = "user_deactivated"


class PasswordChangeRequired(Forbidden):
    """The user must set a new password before they can sign in. `details` names the user."""

    code = "password_change_required"


class NotFound(DenizenError):
    """The thing that the request names does not exist."""

    number = 404


class UserNotFound(NotFound):
    """No user has this id, address or external id, or the user was deleted."""

    code = "user_not_found"


class IdentityNotFound(NotFound):
    """The user has no such identity."""

    code = "identity_not_found"


class CommandNotFound(NotFound):
    """No command has this id. It is kept for durable commands, which do not exist yet."""

    code = "command_not_found"


class Conflict(DenizenError):
    """The request conflicts with what is stored."""

    number = 409


class EmailTaken(Conflict):
    """Another user has this e-mail address."""

    code = "email_taken"


class ExternalIdTaken(Conflict):
    """Another user has this external id."""

    code = "external_id_taken"


class IdentityTaken(Conflict):
    """Another user has this identity."""

    code = "identity_taken"


class VersionConflict(Conflict):
    """The user has another version than the expected one. `details` names the version."""

    code = "version_conflict"


class InvalidTransition(Conflict):
    """The user is not in a state in which this can be done, such as unblocking a user who is not blocked."""

    code = "invalid_transition"


class ValidationFailed(DenizenError):
    """A field or header is wrong. `field` names the first one, `details` all fields."""

    code, number = "validation_failed", 422


class WeakPassword(ValidationFailed):
    """The new password is too short, too easily guessed, or the same as before."""

    code = "weak_password"


class TooManyAttempts(DenizenError):
    """Too many guesses, mails or changes in a short time. Wait a little and try again."""

    code, number = "too_many_attempts", 429


class InternalError(DenizenError):
    """Denizen failed. A command may have been done: repeat it with the same id to learn its outcome."""

    code, number = "internal", 500


class Unavailable(DenizenError):
    """Nothing was done; ask again a little later."""

    number = 503


class Overloaded(Unavailable):
    """Too many requests wait. Try again in a moment."""

    code = "overloaded"


class StaleRead(Unavailable):
    """The projection did not reach the demanded position in time. Try again in a moment."""

    code = "stale_read"


class DeadlineExceeded(DenizenError):
    """The deadline of the request passed before it was begun."""

    code, number = "deadline_exceeded", 504


def _leaves(kind: type[DenizenError]) -> list[type[DenizenError]]:
    own = [kind] if "code" in vars(kind) else []
    return own + [leaf for sub in kind.__subclasses__() for leaf in _leaves(sub)]


BY_CODE: dict[str, type[DenizenError]] = {kind.code: kind for kind in _leaves(DenizenError)}
"""Every code of the contract and its exception."""


class NoAnswer(DenizenError):
    """Nothing came back in time, so a command may have run or not: repeat it with the same `idempotency_key` to learn.
    Its subclasses say what is known to be the cause.

    Not in `BY_CODE`: no service ever answers this.
    """

    code, number = "no_answer", 504


class NatsLoginRefused(NoAnswer):
    """NATS does not know the user, or the password is wrong. Nothing was done; a repeat does not help."""

    code, number = "nats_login_refused", 503


class NatsPermissionDenied(NoAnswer):
    """The NATS user may not publish the request or hear its reply (deploy/nats/). A repeat does not help."""

    code, number = "nats_permission_denied", 503


class TlsFailed(NoAnswer):
    """TLS was asked for, and the server has none, or its certificate is not trusted or is another host's."""

    code, number = "tls_failed", 503


class JetStreamUnavailable(NoAnswer):
    """NATS answers, and has no JetStream for this user: no events, and no revocations for verifiers."""

    code, number = "jetstream_unavailable", 503


class UsedAfterFork(DenizenError):
    """The client was used before the process forked, and its connection is the parent's. Make one in the child."""

    code, number = "used_after_fork", 500


class WrongEventLoop(DenizenError):
    """The client is connected on another event loop, which still runs. Make one for each loop."""

    code, number = "wrong_event_loop", 500


def from_body(error: Mapping[str, Any]) -> DenizenError:
    """The exception that the `error` of a reply stands for; a DenizenError where its code is not known here."""
    code = str(error["code"])
    kind = BY_CODE.get(code) or type("UnknownError", (DenizenError,), {"code": code, "number": 500})
    return kind(str(error["message"]), field=error.get("field"), details=error.get("details", ()))

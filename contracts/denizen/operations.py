"""The table of operations. The services subscribe from it, and the contract document is generated from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from denizen import messages as m

ALWAYS = ("malformed_message", "validation_failed", "deadline_exceeded", "overloaded", "internal")
"""Codes that every operation can answer with."""


Kind = Literal["command", "public", "self", "query", "subscriber"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that Denizen answers.

    Attributes:
        name: as in the subject.
        kind: who asks. `command` and `query`: trusted back ends. `public`: the sign-in front end. `self`:
            the front end, for the user whose access token is in the header `Authorization`. `subscriber`: a service
            that follows the events, for the durable at the end of the subject.
        request, reply: the bodies.
        refusals: the codes that it can answer with, beside `ALWAYS`.
        summary: one line for the contract document.
        reads: it is answered from what is stored, and changes nothing.
        service: which of our programs answers it.
        octets: the size of the largest body.
    """

    name: str
    kind: Kind
    request: type[m.Request]
    reply: type[m.Message]
    refusals: tuple[str, ...]
    summary: str
    reads: bool = False
    service: Literal["accounts", "directory", "transfer", "relay"] = "accounts"
    octets: int = 64 * 1024

    @property
    def id(self) -> str:
        """Unique, where a name is served on several subjects: `UpdateUser`, `SelfUpdateUser`."""
        return f"{self.kind.capitalize()}{self.name}" if self.kind in ("public", "self") else self.name

    @property
    def subject(self) -> str:
        """The NATS subject that it is asked on; of a subscriber's, with `*` in the place of the durable."""
        return f"users.v1.{self.kind}.{self.name}" + (".*" if self.kind == "subscriber" else "")

    def subject_of(self, durable: str) -> str:
        """The subject that a subscriber asks on for a durable of its own: what it may publish to names the durable."""
        return f"users.v1.subscriber.{self.name}.{durable}"

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code that it can answer with."""
        return self.refusals + ALWAYS


def _command(
    request: type[m.Request], summary: str, *refusals: str, reply: type[m.Message] = m.CommandReply
) -> Operation:
    return Operation(request.__name__, "command", request, reply, refusals, summary)


def _query(request: type[m.Request], reply: type[m.Message], summary: str, *refusals: str) -> Operation:
    codes = (*refusals, "stale_read")
    return Operation(request.__name__, "query", request, reply, codes, summary, reads=True, service="directory")


def _self(
    name: str,
    request: type[m.Request],
    summary: str,
    *refusals: str,
    reply: type[m.Message] = m.OpaqueCommandReply,
    reads: bool = False,
) -> Operation:
    codes = ("unauthenticated", "token_invalid", *(() if reads else _MEANWHILE), *refusals)
    return Operation(name, "self", request, reply, codes, summary, reads=reads)


def _in_directory(operation: Operation) -> Operation:
    return replace(operation, service="directory", refusals=(*operation.refusals, "stale_read"))


_MEANWHILE = ("user_blocked", "user_deactivated", "user_not_found")
"""What may have happened to the user since their token was looked up."""
_DELETED = ("user_not_found",)
"""To a repeat, where the user that the first one made or changed was deleted since."""
_EXISTING = ("user_not_found", "version_conflict")
_PASSWORD = ("weak_password",)
_SIGN_IN = ("invalid_credentials", "user_blocked", "user_deactivated", "email_not_verified", "too_many_attempts")
_PROVEN = ("invalid_credentials", "too_many_attempts")
_GUARDED = ("forbidden", *_PROVEN)

_COMMANDS = (
    _command(m.CreateUser, "Create a user.", "email_taken", "external_id_taken", "version_conflict", *_PASSWORD,
             *_DELETED),
    _command(m.Register, "Register a person.", "email_taken", "version_conflict", "too_many_attempts", *_PASSWORD,
             *_DELETED, reply=m.RegisterReply),
    _command(m.UpdateUser, "Change profile, metadata or external id.", *_EXISTING, "external_id_taken"),
    _command(m.ChangeEmail, "Ask for another address, which must then be verified.", *_EXISTING, "email_taken",
             "invalid_transition", "too_many_attempts"),
    _command(m.SendVerificationEmail, "Mail a code to the address that must be verified.", *_EXISTING,
             "invalid_transition", "too_many_attempts"),
    _command(m.VerifyEmail, "Verify an address with a code that was mailed to it.", *_EXISTING, "code_invalid",
             "email_taken", "too_many_attempts"),
    _command(m.ChangePassword, "Change a password by the current one; ends every session.", *_EXISTING, *_PASSWORD,
             *_PROVEN),
    _command(m.ResetPassword, "Set a password; ends every session.", *_EXISTING, *_PASSWORD),
    _command(m.SendPasswordResetEmail, "Mail a token by which the password can be set.", "too_many_attempts",
             reply=m.Accepted),
    _command(m.ConfirmPasswordReset, "Set a password by the token that was mailed; ends every session.",
             "token_invalid", "version_conflict", *_PASSWORD, *_DELETED),
    _command(m.BlockUser, "Block a user, from any status; ends every session.", *_EXISTING),
    _command(m.UnblockUser, "Return a blocked user to the status before the block.", *_EXISTING, "invalid_transition"),
    _command(m.DeactivateUser, "Deactivate a user, from any status; ends every session.", *_EXISTING),
    _command(m.ReactivateUser, "Return a deactivated user to the status before.", *_EXISTING, "invalid_transition"),
    _command(m.LinkIdentity, "Link an account at another provider.", *_EXISTING, "identity_taken"),
    _command(m.UnlinkIdentity, "Unlink an account at another provider.", *_EXISTING, "identity_not_found"),
    replace(_command(m.ImportUsers, "Import users, or a chunk of them.", reply=m.ImportReply), service="transfer",
            octets=1_000_000),
    replace(_command(m.ImportStatus, "Progress of an import.", reply=m.ImportProgress), service="transfer", reads=True),
    replace(_command(m.UndoImport, "Erase the users that an import created and no one has used or changed, in steps.",
                     reply=m.ImportUndone), service="transfer"),
    _command(m.DeleteUser, "Erase a user.", *_EXISTING, reply=m.Deleted),
    _command(m.Authenticate, "Sign in by password.", *_SIGN_IN, "password_change_required", reply=m.SignedIn),
    _command(m.RefreshSession, "Exchange a refresh token for new tokens.", "token_invalid", reply=m.SignedIn),
    _command(m.RevokeSession, "End a session.", *_EXISTING),
    _command(m.RevokeSessions, "End every session of a user.", *_EXISTING),
)  # fmt: skip

_PUBLIC = (
    "Register", "Authenticate", "RefreshSession", "VerifyEmail", "SendVerificationEmail", "SendPasswordResetEmail",
    "ConfirmPasswordReset",
)  # fmt: skip

_SELF = (
    _in_directory(_self("GetMe", m.GetMe, "The user of the token.", reply=m.User, reads=True)),
    _self("UpdateUser", m.UpdateMe, "Change own profile or metadata.", "version_conflict",
          "too_many_attempts"),
    _self("ChangeEmail", m.ChangeMyEmail, "Ask for another address, which must then be verified.", "email_taken",
          "invalid_transition", "version_conflict", *_PROVEN),
    _self("ChangePassword", m.ChangeMyPassword, "Change own password; ends every session.", "version_conflict",
          *_PASSWORD, *_PROVEN),
    replace(
        _self("ListSessions", m.ListMySessions, "Own sessions.", reply=m.SessionList, reads=True), service="directory"
    ),
    _self("RevokeSession", m.RevokeMySession, "End one of the own sessions.", "version_conflict"),
    _self("LogOut", m.LogOut, "End the session of the token.", "version_conflict"),
    _in_directory(_self("ListIdentities", m.ListMyIdentities, "Own identities.", reply=m.IdentityList, reads=True)),
    _self("LinkIdentity", m.LinkMyIdentity, "Link own account at another provider.", "version_conflict",
          "identity_taken", *_GUARDED),
    _self("UnlinkIdentity", m.UnlinkMyIdentity, "Unlink own account at another provider.", "version_conflict",
          "identity_not_found", *_GUARDED),
    _in_directory(
        _self("GetLoginHistory", m.GetMyLoginHistory, "Own attempts to sign in.", reply=m.LoginHistory, reads=True)
    ),
    _self("DeleteUser", m.DeleteMe, "Erase own account.", "version_conflict", *_GUARDED, reply=m.OpaqueDeleted),
)  # fmt: skip

_QUERIES = (
    _query(m.GetUser, m.User, "A user by id.", "user_not_found"),
    _query(m.GetUserByEmail, m.User, "A user by e-mail address, in any case.", "user_not_found"),
    _query(m.GetUserByExternalId, m.User, "A user by the id that your system gave them.", "user_not_found"),
    _query(m.ListUsers, m.UserList, "A page of users: searched, sorted, by offset or cursor."),
    _query(m.ListSessions, m.SessionList, "The sessions of a user.", "user_not_found"),
    _query(m.ListIdentities, m.IdentityList, "The linked accounts of a user.", "user_not_found"),
    _query(m.GetUserHistory, m.UserHistory, "Changes of a user, newest first, with actor.", "user_not_found"),
    _query(m.GetLoginHistory, m.LoginHistory, "A user's attempts to sign in, newest first.", "user_not_found"),
    replace(_query(m.ExportUsers, m.ExportPiece, "A file of users, piece by piece.", "forbidden"), service="transfer"),
    replace(
        _query(
            m.ExportUsersWithHashes, m.ExportPiece, "A file of users with the hashes of their passwords.", "forbidden"
        ),
        service="transfer",
    ),
    _query(m.VerifyToken, m.TokenFacts, "Check that an access token is valid and its session alive.", "token_invalid"),
    _query(m.GetJwks, m.Jwks, "The keys that access tokens are signed with."),
    _query(m.GetSealingKey, m.SealingKey, "The key that secrets in requests are sealed for."),
)

_SUBSCRIBER = (
    Operation("FollowEvents", "subscriber", m.FollowEvents, m.Followed, (),
              "Make the durable that the subject names, where it does not exist yet.", service="relay"),
    Operation("SetParkedEvent", "subscriber", m.SetParkedEvent, m.ParkedEventSet, ("forbidden", "version_conflict"),
              "Park an event, have a parked one retried, or say that it was handled.", service="relay"),
)  # fmt: skip

_OPAQUE: dict[type[m.Message], type[m.Message]] = {
    m.CommandReply: m.OpaqueCommandReply,
    m.RegisterReply: m.OpaqueRegisterReply,
}
COMMANDS: dict[str, Operation] = {operation.name: operation for operation in _COMMANDS}
"""Of trusted back ends, by name."""
PUBLIC: dict[str, Operation] = {
    name: replace(COMMANDS[name], kind="public", reply=_OPAQUE.get(COMMANDS[name].reply, COMMANDS[name].reply))
    for name in _PUBLIC
}
# The caller has proved nothing, and so is not shown the user.
PUBLIC["SendVerificationEmail"] = replace(PUBLIC["SendVerificationEmail"], reply=m.Accepted)
"""Of the sign-in front end, for people who are not signed in, by name."""
SELF: dict[str, Operation] = {operation.name: operation for operation in _SELF}
"""Of the front end, for the user of an access token, by name."""
QUERIES: dict[str, Operation] = {operation.name: operation for operation in _QUERIES}
"""Of trusted back ends, by name."""
SUBSCRIBER: dict[str, Operation] = {operation.name: operation for operation in _SUBSCRIBER}
"""Of services that follow the events, by name."""
OPERATIONS: dict[str, Operation] = {
    operation.id: operation for table in (COMMANDS, PUBLIC, SELF, QUERIES, SUBSCRIBER) for operation in table.values()
}
"""Every operation, by id."""

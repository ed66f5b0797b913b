"""The table of operations. The services subscribe from it, and the contract document is generated from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from denizen import messages as m

ALWAYS = ("malformed_message", "validation_failed", "deadline_exceeded", "overloaded", "internal")
"""Codes that every operation can answer with."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that Denizen answers.

    Attributes:
        name: as in the subject.
        kind: `command` changes a user, `query` reads a projection.
        request, reply: the bodies.
        refusals: the codes that it can answer with, beside `ALWAYS`.
        summary: one line for the contract document.
    """

    name: str
    kind: Literal["command", "query"]
    request: type[m.Request]
    reply: type[m.Message]
    refusals: tuple[str, ...]
    summary: str

    @property
    def subject(self) -> str:
        """The NATS subject that trusted back ends ask on."""
        return f"users.v1.{self.kind}.{self.name}"

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code that it can answer with."""
        return self.refusals + ALWAYS


def _command(request: type[m.Request], summary: str, *refusals: str) -> Operation:
    return Operation(request.__name__, "command", request, m.CommandReply, refusals, summary)


def _query(request: type[m.Request], reply: type[m.Message], summary: str, *refusals: str) -> Operation:
    return Operation(request.__name__, "query", request, reply, (*refusals, "stale_read"), summary)


_EXISTING = ("user_not_found", "version_conflict")

COMMANDS: dict[str, Operation] = {
    op.name: op
    for op in (
        _command(m.CreateUser, "Create a user.", "email_taken", "external_id_taken", "version_conflict"),
        _command(m.UpdateUser, "Change profile, metadata or external id.", *_EXISTING, "external_id_taken"),
        _command(m.BlockUser, "Block a user, from any status.", *_EXISTING),
        _command(m.UnblockUser, "Return a blocked user to what it was.", *_EXISTING, "invalid_transition"),
        _command(m.DeactivateUser, "Deactivate a user, from any status.", *_EXISTING),
        _command(m.ReactivateUser, "Return a deactivated user to what it was.", *_EXISTING, "invalid_transition"),
    )
}
QUERIES: dict[str, Operation] = {
    op.name: op
    for op in (
        _query(m.GetUser, m.User, "A user by id.", "user_not_found"),
        _query(m.GetUserByEmail, m.User, "A user by e-mail address, in any case.", "user_not_found"),
        _query(m.GetUserByExternalId, m.User, "A user by the id that your system gave it.", "user_not_found"),
        _query(m.ListUsers, m.UserList, "A page of users, newest first."),
    )
}
OPERATIONS: dict[str, Operation] = COMMANDS | QUERIES

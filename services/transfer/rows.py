"""A row of an import: what it must be, and the command that it becomes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from denizen import messages as m
from pydantic import SecretStr
from typeid import TypeID

from services.accounts import limits
from services.accounts.decision import Command, Facts, ImportUser
from services.accounts.user import rfc3339
from services.endpoint.call import Call, understand_body
from services.passwords import formats, policy
from services.refusal import Refusal
from services.sealing import unseal
from services.tokens.keys import ServerKeys

_HASHED = "hashed:"
_FIRST_YEAR = datetime(1970, 1, 1, tzinfo=UTC)
_SKEW = timedelta(minutes=5)
"""Clocks of two machines differ."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be.

    Attributes:
        index: its place in the message.
        command: what it becomes.
        password: one that is still to be hashed.
        facts: the hash that it came with.
    """

    index: int
    user: m.ImportedUser
    command: Command
    password: str | None
    facts: Facts


@dataclass(frozen=True, slots=True)
class Reader:
    """Understands the rows of one message: its secrets may be sealed for it."""

    call: Call
    keys: ServerKeys
    min_length: int
    """Of passwords."""

    async def read(self, index: int, raw: dict[str, Any]) -> Row:
        """Raises Refusal where the row cannot be, DatabaseUnavailable."""
        user = understand_body(m.ImportedUser, raw)
        limits.check(user)
        for identity in user.identities:
            limits.check(m.LinkIdentity.model_construct(**dict(identity)))
        command = ImportUser(user, user.id or str(TypeID("user")), _created_at(user), fresh=user.id is None)
        password, facts = await self._secret(user)
        return Row(index, user, command, password, facts)

    async def _secret(self, user: m.ImportedUser) -> tuple[str | None, Facts]:
        """A password that is to be hashed, or the hash, as it is."""
        hashed, password = await self._opened(user.password_hash), await self._opened(user.password)
        if hashed is not None and password is not None:
            raise Refusal("validation_failed", "give one of password and passwordHash", field="passwordHash")
        if password is not None and password.startswith(_HASHED):
            hashed = password.removeprefix(_HASHED)
        elif password is not None:
            if fault := policy.fault(password, self.min_length, email=user.email):
                raise Refusal("weak_password", fault, field="password")
            return password, Facts()
        try:
            return None, Facts(password_hash=None if hashed is None else formats.accepted(hashed))
        except formats.HashRejected as error:
            raise Refusal("validation_failed", str(error), field="passwordHash") from None

    async def _opened(self, secret: SecretStr | None) -> str | None:
        if secret is None:
            return None
        command_id = self.call.command_id if self.call.repeatable else None
        return await unseal(secret.get_secret_value(), command_id, self.keys)


def _created_at(row: m.ImportedUser) -> str | None:
    if row.created_at is None:
        return None
    try:
        at = datetime.fromisoformat(row.created_at.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal("validation_failed", "must be a time as in RFC 3339", field="createdAt") from None
    if not _FIRST_YEAR <= at <= datetime.now(UTC) + _SKEW:
        raise Refusal("validation_failed", "lies in the future, or before 1970", field="createdAt")
    return rfc3339(at)

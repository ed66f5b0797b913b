"""A row of an import: what it must be, and the command that it becomes."""

from datetime import UTC, datetime
from typing import Any

from denizen import messages as m
from pydantic import SecretStr
from typeid import TypeID

from services.accounts import limits
from services.accounts.decision import Facts, ImportUser
from services.accounts.user import rfc3339
from services.endpoint.call import understand_body
from services.passwords import formats, policy
from services.passwords.pool import HashingPool
from services.refusal import Refusal
from services.settings import Settings

_HASHED = "hashed:"
_FIRST_YEAR = 1970


def understood(raw: dict[str, Any]) -> m.ImportedUser:
    """A row whose values can be. Raises Refusal."""
    row = understand_body(m.ImportedUser, raw)
    limits.check(row)
    for identity in row.identities:
        limits.check(m.LinkIdentity.model_construct(**dict(identity)))
    return row


def command(row: m.ImportedUser) -> ImportUser:
    """What to decide. Raises Refusal."""
    return ImportUser(row, row.id or str(TypeID("user")), _created_at(row))


def _created_at(row: m.ImportedUser) -> str | None:
    if row.created_at is None:
        return None
    try:
        at = datetime.fromisoformat(row.created_at.upper())
    except ValueError:
        raise Refusal("validation_failed", "must be a time as in RFC 3339", field="createdAt") from None
    if not datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC) <= at <= datetime.now(UTC):
        raise Refusal("validation_failed", "lies in the future, or before 1970", field="createdAt")
    return rfc3339(at)


async def facts(row: m.ImportedUser, settings: Settings, pool: HashingPool, deadline: float | None) -> Facts:
    """The hash of the row's password, if it has one: taken over as it is, or made here, which takes its time.

    Raises Refusal.
    """
    hashed, password = _secret(row)
    if hashed is not None:
        try:
            return Facts(password_hash=formats.accepted(hashed))
        except formats.HashRejected as error:
            raise Refusal("validation_failed", str(error), field="passwordHash") from None
    if password is None:
        return Facts()
    if fault := policy.fault(password, settings.password_min_length, email=row.email):
        raise Refusal("weak_password", fault, field="password")
    return Facts(password_hash=await pool.hash(password, deadline))


def _secret(row: m.ImportedUser) -> tuple[str | None, str | None]:
    """The row's hash, and its password."""
    hashed, password = _text(row.password_hash), _text(row.password)
    if hashed is not None and password is not None:
        raise Refusal("validation_failed", "give one of password and passwordHash", field="passwordHash")
    if password is not None and password.startswith(_HASHED):
        return password.removeprefix(_HASHED), None
    return hashed, password


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()

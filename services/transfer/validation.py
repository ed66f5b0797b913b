"""Validates the rows of an import. import_rows.py decides on valid rows, and may refuse them too."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from denizen import messages as m
from pydantic import SecretStr

from services.domain import fields, refusals
from services.domain.decision import Facts
from services.domain.values import rfc3339
from services.endpoint.call import Call, understand_body
from services.passwords import formats, policy
from services.passwords.algorithms import looks_hashed
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys
from services.tokens.sealing import unseal
from services.transfer.ids import Ids

_EMPTY: dict[str, Any] = {"profile": {}, "metadata": {}, "appMetadata": {}, "identities": []}
"""Defaults of absent fields: pydantic would make them by copy.deepcopy, which takes a tenth of a row's time."""
_HASHED = "hashed:"
_FIRST_YEAR = datetime(1970, 1, 1, tzinfo=UTC)
_SKEW = timedelta(minutes=5)
"""Clocks of two machines differ."""


@dataclass(slots=True)
class ImportRow:
    """An import row that passed validation.

    Attributes:
        index: its place in the message.
        user_id: the id that its user gets.
        password: a password that is still to be hashed.
        facts: the hash that the row came with.
        changed: what became of the hash, where it is not simply taken.
    """

    index: int
    user: m.ImportedUser
    user_id: str
    password: str | None
    facts: Facts
    changed: tuple[m.ChangedField, ...] = ()


@dataclass(frozen=True, slots=True)
class RowReader:
    """Validates the rows of one message, whose secrets may be sealed for the message."""

    call: Call
    ids: Ids
    keys: ServerKeys
    settings: Settings
    without_hashes: m.WithoutUnsupportedHashes = "none"

    async def read(self, index: int, raw: dict[str, Any]) -> ImportRow:
        """Validate a row. Raises Refusal where it is invalid, DatabaseUnavailable."""
        user = _timed(understand_body(m.ImportedUser, {**_EMPTY, **raw}))
        fields.check(user)
        if user.identities:
            _check_identities(user.identities)
        password, facts, changed = await self._secret(user)
        created_at = None if user.created_at is None else datetime.fromisoformat(user.created_at)
        return ImportRow(index, user, user.id or self.ids.of(index, created_at), password, facts, changed)

    async def _secret(self, user: m.ImportedUser) -> tuple[str | None, Facts, tuple[m.ChangedField, ...]]:
        """A password that is to be hashed, or the hash, as it is, and what there is to tell of it."""
        hashed = None if user.password_hash is None else await self._opened(user.password_hash)
        password = None if user.password is None else await self._opened(user.password)
        if hashed is not None and password is not None:
            raise refusals.password_given_twice()
        if password is not None and password.startswith(_HASHED):
            hashed = password.removeprefix(_HASHED)
        elif password is not None:
            if looks_hashed(password):
                raise refusals.hash_as_password()
            if fault := policy.fault(password, self.settings.password_min_length, email=user.email):
                raise refusals.weak_password(fault, "password")
            return password, Facts(), ()
        if hashed is None:
            return None, Facts(), ()
        try:
            found = formats.examined(hashed, self.settings.imported_bcrypt_cost)
        except formats.HashRejected as error:
            if self.without_hashes == "none":
                raise refusals.invalid(str(error), "passwordHash") from None
            return None, Facts(), _changed_hash(f"left out, so the user resets the password by mail: {error}")
        facts = Facts(password_hash=found.stored)
        if found.weak is None:
            return None, facts, ()
        return None, facts, _changed_hash(f"a weak hash ({found.weak}), which the user's next login replaces")

    async def _opened(self, secret: SecretStr) -> str:
        command_id = self.call.command_id if self.call.repeatable else None
        return await unseal(secret.get_secret_value(), command_id, self.keys)


def _changed_hash(message: str) -> tuple[m.ChangedField, ...]:
    return (m.ChangedField(field="passwordHash", message=message),)


def _check_identities(identities: list[m.LinkedIdentity]) -> None:
    """Raises Refusal."""
    for identity in identities:
        fields.check(m.LinkIdentity.model_construct(**dict(identity)))
    if len({(each.provider, each.provider_id) for each in identities}) < len(identities):
        raise refusals.invalid("has the same identity twice: leave one of them out", "identities")


def _timed(row: m.ImportedUser) -> m.ImportedUser:
    """The row, its times as `rfc3339` writes them: so they compare as texts. Raises Refusal."""
    created = row.created_at and _time(row.created_at, "createdAt")
    updated = row.updated_at and _time(row.updated_at, "updatedAt")
    if updated is not None and updated < (created or rfc3339(datetime.now(UTC))):
        raise refusals.invalid("lies before createdAt, which is now if the row has none", "updatedAt")
    blocked = row.blocked_at and _time(row.blocked_at, "blockedAt", updated)
    if blocked is not None and row.status not in ("BLOCKED", "DEACTIVATED"):
        raise refusals.invalid("needs the status BLOCKED or DEACTIVATED: set it, or leave blockedAt out", "blockedAt")
    end = row.blocked_until and rfc3339(fields.moment(row.blocked_until, "blockedUntil"))
    if end is not None and row.status != "BLOCKED" and blocked is None:
        raise refusals.invalid(
            "needs the status BLOCKED, or DEACTIVATED with blockedAt: set them, or leave blockedUntil out",
            "blockedUntil",
        )
    for index, each in enumerate(row.identities):
        linked = each.linked_at and _time(each.linked_at, f"identities.{index}.linkedAt", updated)
        vars(each)["linked_at"] = linked
    # No other code has this row yet, and a copy takes as long as all its checks.
    vars(row).update(created_at=created, updated_at=updated, blocked_at=blocked, blocked_until=end)
    return row


def _time(text: str, field: str, latest: str | None = None) -> str:
    at = fields.moment(text, field)
    if not _FIRST_YEAR <= at <= datetime.now(UTC) + _SKEW:
        raise refusals.invalid("lies in the future, or before 1970", field)
    if latest is not None and rfc3339(at) > latest:
        raise refusals.invalid("lies after updatedAt", field)
    return rfc3339(at)

"""What tests of the log share: keys, settings, and the smallest events and appends."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr
from typeid import TypeID

from services.domain.claim_kinds import Claim
from services.domain.streams import NewEvent, StoredEvent
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.store import Append, EventStore
from services.platform.ids import new_event_id
from services.platform.settings import Settings

AT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
T = TypeVar("T")


def ring(epoch: int = 1, key: int = 7, claims: int = 8) -> KeyRing:
    """Keys that are the same in every store of a test."""
    return KeyRing({epoch: bytes([key]) * 32}, bytes([claims]) * 32)


def settings(url: str, home: Path = Path("/nonexistent")) -> Settings:
    return Settings(database_url=SecretStr(url), home=home)


def with_keys(url: str, key: int = 7) -> Settings:
    """Settings that have the keys of `ring`, for another process."""
    key_encryption_key, claim_key = (base64.b64encode(bytes([octet]) * 32).decode() for octet in (key, 8))
    keys = {"key_encryption_keys": SecretStr(f"1:{key_encryption_key}"), "claim_key": SecretStr(claim_key)}
    return settings(url).model_copy(update=keys)


def user_id() -> str:
    return str(TypeID("user"))


def event(number: int = 1, private: dict[str, Any] | None = None) -> NewEvent:
    private = {"note": f"private {number}"} if private is None else private
    return NewEvent("UserUpdated", 1, {"number": number}, private, new_event_id())


def append(
    stream: str,
    expected: int = 0,
    events: int = 1,
    *,
    take: Iterable[Claim] = (),
    release: Iterable[Claim] = (),
    command_id: str | None = None,
    refusal: dict[str, Any] | None = None,
) -> Append:
    """An append of `events` events, numbered by their versions."""
    return Append(
        stream,
        expected,
        [event(version) for version in range(expected + 1, expected + 1 + events)],
        {"commandId": command_id or "none"},
        AT,
        frozenset(take),
        frozenset(release),
        command_id,
        refusal,
    )


async def streams(store: EventStore, wanted: Iterable[str]) -> dict[str, list[StoredEvent]]:
    """Whole streams, oldest event first; a stream without events is absent."""
    names, found = set(wanted), dict[str, list[StoredEvent]]()
    for each in await store.read(0, 1_000_000):
        if each.stream in names:
            found.setdefault(each.stream, []).append(each)
    return found


async def until(condition: Callable[[], Awaitable[T]], what: str, seconds: float = 30) -> T:
    """The first true value of a condition. Fails the test after `seconds`."""
    async with asyncio.timeout(seconds):
        while not (value := await condition()):
            await asyncio.sleep(0.01)
    assert value, what
    return value

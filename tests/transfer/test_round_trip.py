"""What is exported and imported again is the same user: any fields, any form of file."""

import asyncio
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest
from denizen.importing import Row, read
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.commands import ImportUser
from services.domain.events import LoginEvent, encode
from services.domain.fold import evolve
from services.domain.fold import show as shown
from services.domain.refusals import Refusal
from services.domain.streams import StoredEvent
from services.domain.values import rfc3339
from services.platform.ids import new_event_id
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys
from services.transfer.forms import FIELDS, Encoder, ExportForm
from services.transfer.ids import Ids
from services.transfer.validation import RowReader
from tests.support.accounts import Json, ask
from tests.support.decisions import decide
from tests.transfer.support import HASHES

AT = datetime(2025, 11, 24, 12, tzinfo=UTC)
LATER = datetime(2025, 11, 25, 12, tzinfo=UTC)
_TRICKY = st.sampled_from(
    [
        "=1+1",
        "'=1",
        "''-",
        "'",
        "-",
        "@x",
        "+",
        '"',
        '""',
        ",",
        ";",
        "\u00e4\u0308",
        "\U0001f469\u200d\U0001f4bb",
        "\u202e",
        "null",
        "true",
    ]
)
_TEXT = _TRICKY | st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20)
_FREE = (
    _TRICKY
    | st.sampled_from(["\t=1", "\r", "\n", "\r\n", ""])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _FREE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FREE, inner, max_size=3),
    max_leaves=6,
)
_METADATA = st.dictionaries(_FREE, _VALUES.filter(lambda value: value is not None), max_size=4)
_TIMES = st.integers(0, 10**15 * 7 // 4).map(lambda at: rfc3339(datetime.fromtimestamp(at / 1e6, UTC)))
_IDENTITIES: st.SearchStrategy[list[Json]] = st.lists(
    st.fixed_dictionaries(
        {"provider": st.sampled_from(["google", "saml-acme.x"]), "providerId": _TEXT}, optional={"linkedAt": _TIMES}
    ),
    max_size=3,
    unique_by=lambda each: (each["provider"], each["providerId"]),
)


def _ordered(user: Json) -> Json:
    """Its times as they can follow one another."""
    if user.get("status") not in ("BLOCKED", "DEACTIVATED"):
        user.pop("blockedAt", None)
    if "createdAt" not in user:
        user.pop("updatedAt", None)
    if "updatedAt" in user:
        user["createdAt"], user["updatedAt"] = sorted((user["createdAt"], user["updatedAt"]))
        for held in (user, *user.get("identities", [])):
            for name in {"blockedAt", "linkedAt"} & held.keys():
                held[name] = min(held[name], user["updatedAt"])
    return user


USERS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "email": st.sampled_from(
            ["ada@example.com", "-x@example.com", "=a@example.com", "+1@example.com", "\u00e9ve@b\u00fccher.example"]
        ),
        "emailVerified": st.booleans(),
    },
    optional={
        "externalId": _TEXT,
        "passwordHash": st.sampled_from(HASHES),
        "profile": st.fixed_dictionaries(
            {},
            optional={
                "firstName": _TEXT,
                "lastName": _TEXT,
                "displayName": _TEXT,
                "picture": st.just('https://example.com/a,b?c="d"'),
                "locale": st.sampled_from(["de-AT", "zh-Hant-TW"]),
                "timezone": st.sampled_from(["Europe/Vienna", "UTC"]),
            },
        ),
        "metadata": _METADATA,
        "appMetadata": _METADATA,
        "status": st.sampled_from(["BLOCKED", "DEACTIVATED", "ACTIVE", "PENDING_VERIFICATION"]),
        "passwordChangeRequired": st.booleans(),
        "createdAt": _TIMES,
        "updatedAt": _TIMES,
        "blockedAt": _TIMES,
        "identities": _IDENTITIES,
    },
).map(_ordered)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


async def _became(raw: Mapping[str, Any], at: datetime) -> tuple[Json, str | None]:
    """The user that a row becomes, as an export shows them, and the hash."""
    # None of the rows has anything sealed, for which alone it needs keys.
    reader = RowReader(ask("ImportUsers", {"users": [{}]}), Ids.drawn(), cast(ServerKeys, None), Settings())
    row = await reader.read(0, dict(raw))
    assert row.password is None
    events = decide(None, ImportUser(row.user, row.user_id), row.facts)
    assert not isinstance(events, Refusal)
    user, document = None, None
    for version, event in enumerate(events, 1):
        assert not isinstance(event, LoginEvent)
        user = evolve(user, event, row.user_id, at)
        assert user is not None
        stored = encode(event, row.user_id, version, user.status, new_event_id())
        document = shown(document, StoredEvent(
            version, stored.event_id, row.user_id, version, stored.type, stored.schema_version, stored.public,
            stored.private, {}, at,
        ))  # fmt: skip
    assert user is not None
    assert document is not None
    assert document == user.body() | {"loginCount": 0}
    return document, row.facts.password_hash


def _exported(form: ExportForm, rows: list[tuple[str, str | None]]) -> bytes:
    encoder = Encoder(form, FIELDS, raw=False)
    return encoder.head() + b"".join(encoder.users([row]) for row in rows) + encoder.tail()


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
@settings(max_examples=100, deadline=None)
@given(users=st.lists(USERS, max_size=4))
def test_exported_users_are_imported_unchanged(runner: asyncio.Runner, form: ExportForm, users: list[Json]) -> None:
    async def check() -> None:
        before = [await _became(raw, AT) for raw in users]
        file = _exported(form, [(orjson.dumps(user).decode(), hash) for user, hash in before])
        rows = list(read(io.BytesIO(file), format=form))
        assert [type(row) for row in rows] == [Row] * len(users)
        after = [await _became(row.user, LATER) for row in rows if isinstance(row, Row)]
        assert [hash for _, hash in after] == [hash for _, hash in before]
        for (old, _), (new, _) in zip(before, after, strict=True):
            assert orjson.dumps(new) == orjson.dumps(old)

    runner.run(check())

"""What is exported and imported again is the same user: any fields, any form of file."""

import asyncio
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest
from denizen.importing import Format, Row, read
from hypothesis import given, settings
from hypothesis import strategies as st
from typeid import TypeID

from services.accounts.decide import decide
from services.accounts.events import LoginEvent
from services.accounts.user import evolve, rfc3339
from services.refusal import Refusal
from services.tokens.keys import ServerKeys
from services.transfer.forms import FIELDS, Encoder
from services.transfer.rows import Reader
from tests.support.accounts import Json, ask
from tests.transfer.support import HASHES

AT = datetime(2025, 11, 24, 12, tzinfo=UTC)
LATER = datetime(2025, 11, 25, 12, tzinfo=UTC)
_NEW = ("updatedAt", "blockedAt", "version")
"""What tells of the import."""

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
    st.fixed_dictionaries({"provider": st.sampled_from(["google", "saml-acme.x"]), "providerId": _TEXT}),
    max_size=3,
    unique_by=lambda each: (each["provider"], each["providerId"]),
)
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
        "identities": _IDENTITIES,
    },
)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


async def _became(raw: Mapping[str, Any], at: datetime) -> tuple[Json, str | None]:
    """The user that a row becomes, as an export shows him, and his hash."""
    # None of the rows has anything sealed, for which alone it needs keys.
    reader = Reader(ask("ImportUsers", {"users": [{}]}), cast(ServerKeys, None), 8)
    row = await reader.read(0, dict(raw))
    assert row.password is None
    events = decide(None, row.command, row.facts)
    assert not isinstance(events, Refusal)
    user, user_id = None, row.user.id or str(TypeID("user"))
    for event in events:
        assert not isinstance(event, LoginEvent)
        user = evolve(user, event, user_id, at)
    assert user is not None
    return user.body() | {"loginCount": 0}, row.facts.password_hash


def _exported(form: Format, rows: list[tuple[str, str | None]]) -> bytes:
    encoder = Encoder(form, FIELDS, raw=False)
    return encoder.head() + b"".join(encoder.users([row]) for row in rows) + encoder.tail()


def _same(user: Json) -> Json:
    identities = [{name: each[name] for name in ("provider", "providerId")} for each in user["identities"]]
    return {name: value for name, value in user.items() if name not in _NEW} | {"identities": identities}


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
@settings(max_examples=300, deadline=None)
@given(users=st.lists(USERS, max_size=4))
def test_the_same_users(runner: asyncio.Runner, form: Format, users: list[Json]) -> None:
    async def check() -> None:
        before = [await _became(raw, AT) for raw in users]
        file = _exported(form, [(orjson.dumps(user).decode(), hash) for user, hash in before])
        rows = list(read(io.BytesIO(file), format=form))
        assert [type(row) for row in rows] == [Row] * len(users)
        after = [await _became(row.user, LATER) for row in rows if isinstance(row, Row)]
        assert [hash for _, hash in after] == [hash for _, hash in before]
        for (old, _), (new, _) in zip(before, after, strict=True):
            assert orjson.dumps(_same(new)) == orjson.dumps(_same(old))

    runner.run(check())

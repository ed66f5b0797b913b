"""Places in a user's own history order sessions and what ends them as the log does, and the migration finds them."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.sessions import place
from services.domain.streams import logins_of
from services.eventstore.credentials.store import SecretStore
from services.eventstore.log.store import Append, Appended
from services.relay.feed import Feed
from tests.store.conftest import OpenStore
from tests.store.test_secrets import login, session
from tests.support.log import append, ring, settings, user_id

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@given(st.lists(st.sampled_from(["login", "failed", "change", "block", "revoke"]), max_size=30))
def test_place_of_an_end_is_between_sessions_before_and_after(history: Sequence[str]) -> None:
    version, logins = 1, 0
    before: list[int] = []
    ends: list[int] = []
    for each in history:
        if each in ("change", "block"):
            version += 1
        else:
            logins += 1
        if each == "login":
            began = place(version, logins)
            assert all(end <= began for end in ends), "no end refuses a session that began after it"
            before.append(began)
        elif each in ("block", "revoke"):
            ended = place(version, logins if each == "revoke" else 0)
            assert all(began < ended for began in before)
            ends.append(ended)


def test_place_is_above_every_old_log_position() -> None:
    """So a revocation of this version refuses the tokens of that one, whose `pos` was a position."""
    assert place(1) == 2**32
    assert place(2**31 - 1, 2**31 - 1) < 2**63


@pytest.mark.parametrize("seed", range(5))
async def test_migration_gives_sessions_their_places(
    open_store: OpenStore, owner: Connection, database_url: str, seed: int
) -> None:
    """They were the log positions of their logins. The relay reads the same places from the log."""
    draw, store, users = random.Random(seed), open_store(), [user_id() for _ in range(3)]
    version, logins = dict.fromkeys(users, 0), dict.fromkeys(users, 0)
    places: dict[str, int] = {}
    for user in users * 20:
        begun = session()
        made: Append = append(user, version[user])
        if version[user] and draw.random() < 0.6:
            made = login(user, begun, requires=version[user], logins=logins[user])
            logins[user] += 1
            places[begun.session_id] = place(version[user], logins[user])
        else:
            version[user] += 1
        (result,) = await store.append([made])
        assert isinstance(result, Appended)
        if begun.session_id in places:
            query = "update sessions set position = %s where session_id = %s"
            await owner.execute(query, [result.position, begun.session_id])
    migration = (files("services.eventstore.migrations") / "steps" / "0011.told.sql").read_text("utf-8")
    await owner.execute(migration[migration.index("update sessions") :].encode())
    secrets = SecretStore(settings(database_url), ring(), "places")
    found = {each.session_id: each.place for user in users for each in await secrets.sessions(user)}
    await secrets.close()
    assert found == places


async def test_relay_reads_the_places_of_what_ends_sessions(open_store: OpenStore, database_url: str) -> None:
    store, user = open_store(), user_id()

    def of_type(made: Append, name: str, **public: str) -> Append:
        for each in made.events:
            each.type, each.public = name, public
        made.at = datetime.now(UTC)
        return made

    def revoked(logins: int, **public: str) -> Append:
        made = of_type(append(logins_of(user), logins), "SessionsRevoked", **public)
        made.requires = 3
        return made

    await store.append([append(user, 0, 2), of_type(append(user, 2), "UserBlocked")])
    await store.append([login(user, session(), requires=3, logins=0)])
    await store.append([revoked(1), revoked(2, sessionId="sess_1"), append(user, 3)])
    feed = Feed(settings(database_url))
    published = {each.position: each.place for each in await feed.read(0, 100) if each.type != "UserUpdated"}
    entries = [(each.key, each.place) for each in await feed.revoked()]
    await feed.close()
    assert published == {3: place(3), 5: place(3, 2), 6: place(3, 3)}
    assert entries == [(f"user.{user}", place(3)), (f"user.{user}", place(3, 2)), ("session.sess_1", 0)]

"""Many at once: one address has one user, one command runs once, and a refused command leaves no trace."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator

import psycopg
import pytest

from tests.support.backend import Backend, connected, email
from tests.support.servers import Denizen


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as made:
        yield made


def rows(denizen: Denizen) -> int:
    """Events in the log."""
    with psycopg.connect(denizen.database_url) as connection:
        row = connection.execute("select count(*) from denizen.events").fetchone()
        assert row is not None
        return int(row[0])


async def test_concurrent_creates_of_one_address_make_one_user(backend: Backend, denizen: Denizen) -> None:
    address = email()
    before = rows(denizen)
    spellings = [address if number % 2 else address.upper() for number in range(100)]
    replies = await asyncio.gather(*(backend.command("CreateUser", {"email": each}) for each in spellings))
    assert Counter(reply.code for reply in replies) == {"": 1, "email_taken": 99}
    assert rows(denizen) == before + 1
    (winner,) = [reply.body for reply in replies if not reply.code]
    found = await backend.query("GetUserByEmail", {"email": address}, Denizen_Min_Position=str(winner["position"]))
    assert found.body["id"] == winner["user"]["id"]


async def test_concurrent_copies_of_a_command_run_once(backend: Backend, denizen: Denizen) -> None:
    body, key = {"email": email(), "metadata": {"n": 1}}, secrets.token_hex(8)
    before = rows(denizen)
    replies = await asyncio.gather(*(backend.command("CreateUser", body, Nats_Msg_Id=key) for _ in range(60)))
    assert len({reply.data for reply in replies}) == 1
    assert replies[0].code == ""
    assert rows(denizen) == before + 1
    user = replies[0].body["user"]
    await backend.command("UpdateUser", {"userId": user["id"], "metadata": {"n": 2}})
    assert (await backend.command("CreateUser", body, Nats_Msg_Id=key)).data == replies[0].data


async def test_repeat_of_a_refusal_is_refused_alike(backend: Backend) -> None:
    user, key = await backend.create(), secrets.token_hex(8)
    first = await backend.command("UnblockUser", {"userId": user["id"]}, Nats_Msg_Id=key)
    assert first.code == "invalid_transition"
    await backend.command("BlockUser", {"userId": user["id"]})
    assert (await backend.command("UnblockUser", {"userId": user["id"]}, Nats_Msg_Id=key)).data == first.data


async def test_wrong_version_or_past_deadline_stores_nothing(backend: Backend, denizen: Denizen) -> None:
    user = await backend.create()
    before = rows(denizen)
    conflict = await backend.command("BlockUser", {"userId": user["id"]}, Denizen_Expected_Version="2")
    assert conflict.code == "version_conflict"
    assert conflict.body["error"]["details"] == [{"version": 1}]
    for deadline in ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123456+02:00"):
        late = await backend.command("CreateUser", {"email": email()}, Denizen_Deadline=deadline)
        assert late.code == "deadline_exceeded"
    assert rows(denizen) == before
    right = await backend.command("BlockUser", {"userId": user["id"]}, Denizen_Expected_Version="1")
    assert right.body["version"] == 2


async def test_concurrent_changes_of_one_user_are_all_made(backend: Backend) -> None:
    user = await backend.create()
    replies = await asyncio.gather(
        *(backend.command("UpdateUser", {"userId": user["id"], "metadata": {f"k{n}": n}}) for n in range(50))
    )
    assert sorted(reply.body["version"] for reply in replies) == list(range(2, 52))
    last = max(replies, key=lambda reply: reply.body["version"])
    assert len(last.body["user"]["metadata"]) == 50


async def test_concurrent_commands_on_one_expected_version_one_wins(backend: Backend) -> None:
    user = await backend.create()
    replies = await asyncio.gather(
        *(
            backend.command(
                "UpdateUser", {"userId": user["id"], "metadata": {"winner": n}}, Denizen_Expected_Version="1"
            )
            for n in range(30)
        )
    )
    assert Counter(reply.code for reply in replies) == {"": 1, "version_conflict": 29}

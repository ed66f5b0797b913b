"""Exports on PostgreSQL: one snapshot, in pieces, no faster than they are asked for, and none for ever."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from denizen import headers as h
from denizen import messages as m
from denizen.operations import QUERIES

import projections
from services.domain.refusals import Refusal
from services.endpoint.call import Call, understand
from services.eventstore.log.memory import MemoryEventStore
from services.platform.database import Connection
from services.projector import rebuild
from services.projector.rebuild import Rebuild, TableInUse
from services.transfer import exports
from services.transfer.exports import Exports, Patience, Piece
from services.transfer.forms import Encoder
from tests.support import log
from tests.support.log import until
from tests.support.read_side import ReadSide, commanded

Json = dict[str, Any]
_FILL = """
insert into denizen.users (user_id, status, doc, email, name, search)
select id, case n %% 10 when 0 then 'BLOCKED' else 'ACTIVE' end,
       json_build_object('id', id, 'createdAt', at, 'metadata', json_build_object('text', repeat('x', %(size)s))),
       '', '', ''
from generate_series(%(first)s::integer, %(last)s) n,
     to_char(n, '"user_"FM000000') id,
     to_char(timestamp '2026-01-01' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') at
"""
_APP = "-c search_path=denizen -c role=denizen_app"
_WAITS = """
select exists (select from pg_stat_activity
               where application_name = 'denizen transfer export' and wait_event_type = 'Lock')
"""
_END = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'denizen transfer export'"


class Exporter:
    """Asks for exports as NATS would, and holds the answers to their pieces by subject."""

    def __init__(self, url: str, patience: Patience) -> None:
        self.url = url
        self.serving: dict[str, Callable[[bytes], Awaitable[Piece]]] = {}
        self.exports = Exports(log.settings(url), self._serve, patience)

    async def _serve(self, subject: str, answer: Callable[[bytes], Awaitable[Piece]]) -> Callable[[], Awaitable[None]]:
        self.serving[subject] = answer

        async def end() -> None:
            del self.serving[subject]

        return end

    async def begin(self, name: str = "ExportUsers", min_position: int | str = 0, **body: Any) -> Piece:
        headers = {h.MIN_POSITION: str(min_position)}
        call: Call = understand(QUERIES[name], "_INBOX.a", headers, json.dumps(body).encode())
        assert isinstance(call.request, m.ExportUsers)
        return await self.exports.begin(call, call.request)

    async def piece(self, after: Piece, number: int) -> Piece:
        return await self.serving[after[1][h.EXPORT]](json.dumps({"piece": number}).encode())

    async def rest(self, piece: Piece) -> list[Piece]:
        pieces = [piece]
        while h.EXPORT in pieces[-1][1]:
            pieces.append(await self.piece(pieces[-1], len(pieces)))
        return pieces

    async def lines(self, name: str = "ExportUsers", **body: Any) -> list[Json]:
        pieces = await self.rest(await self.begin(name, **body))
        return [json.loads(line) for line in b"".join(data for data, _ in pieces).splitlines()]

    def connections(self) -> int:
        """How many snapshots the database holds for exports."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "select count(*) from pg_stat_activity where application_name = 'denizen transfer export'"
            ).fetchone()
            assert row is not None
            return int(row[0])

    async def waits(self) -> bool:
        """Whether an export waits for a lock."""
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            return (await (await connection.execute(_WAITS)).fetchone()) == (True,)

    async def ended(self) -> None:
        """Wait until nothing is held any more."""

        async def none() -> bool:
            return not self.serving and self.connections() == 0

        await until(none, "exports end")


@asynccontextmanager
async def exporter(url: str, patience: Patience | None = None) -> AsyncGenerator[Exporter]:
    opened = Exporter(url, patience or Patience(idle=30, linger=0))
    try:
        yield opened
    finally:
        await opened.exports.close()


@pytest.fixture
async def filled(database_url: str) -> str:
    """6,000 users of a kilobyte, at position 12."""
    async with ReadSide(database_url):
        fill(database_url, 1, 6000, 1000)
        with psycopg.connect(database_url) as owner:
            owner.execute("update denizen.projections set position = 12")
    return database_url


def fill(url: str, first: int, last: int, size: int) -> None:
    with psycopg.connect(url) as owner:
        owner.execute(_FILL, {"first": first, "last": last, "size": size})


async def test_export_has_all_users_at_one_position(filled: str) -> None:
    async with exporter(filled) as one:
        pieces = await one.rest(await one.begin())
        assert len(pieces) == 8
        assert all(len(data) <= 900_000 for data, _ in pieces)
        assert {headers[h.POSITION] for _, headers in pieces} == {"12"}
        ids = [json.loads(line)["id"] for line in b"".join(data for data, _ in pieces).splitlines()]
        assert ids == [f"user_{number:06}" for number in range(1, 6001)]
        await one.ended()


async def test_export_hides_later_changes(filled: str) -> None:
    async with exporter(filled) as one:
        first = await one.begin()
        with psycopg.connect(filled) as owner:
            owner.execute('update denizen.users set doc = \'{"id": "changed"}\'')
            owner.execute("delete from denizen.users where user_id > 'user_005000'")
            owner.execute("update denizen.projections set position = 99")
        fill(filled, 7000, 7100, 10)
        pieces = await one.rest(first)
        text = b"".join(data for data, _ in pieces)
        assert text.count(b"\n") == 6000
        assert b"changed" not in text
        assert {headers[h.POSITION] for _, headers in pieces} == {"12"}
        assert len(await one.lines()) == 5101


async def test_export_position_is_that_of_its_users(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is applied between the look at the position and the first user does not show either."""
    real, looks = exports._position, 0  # pyright: ignore[reportPrivateUsage]

    async def then_another_writes(connection: Connection) -> int:
        nonlocal looks
        position = await real(connection)
        looks += 1
        with psycopg.connect(filled) as owner:
            owner.execute("update denizen.projections set position = position + 1")
            owner.execute("update denizen.users set doc = json_build_object('id', %s::text)", [f"look {looks}"])
        return position

    monkeypatch.setattr(exports, "_position", then_another_writes)
    async with exporter(filled) as one:
        first = await one.begin()
        # The first look is only whether it has to wait.
        assert looks == 2
        assert first[1][h.POSITION] == "13"
        assert json.loads(first[0].splitlines()[0])["id"] == "look 1"


async def test_rebuild_waits_for_a_running_export(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are newer than the snapshot, to which the new table would be empty."""
    store = MemoryEventStore()
    stored = await commanded([[("CreateUser", {"email": f"{number}@example.com"}) for number in range(5)]], store)
    monkeypatch.setattr(rebuild, "_SWAPS", 1)
    monkeypatch.setattr(rebuild, "_PAUSE_SECONDS", 0)
    real = exports._position  # pyright: ignore[reportPrivateUsage]
    swaps: list[bool] = []

    async def swap() -> bool:
        try:
            await Rebuild(log.settings(database_url), store).run([projections.USERS])
        except TableInUse:
            return False
        return True

    async def then_a_rebuild_comes(connection: Connection) -> int:
        position = await real(connection)
        swaps.append(await swap())
        return position

    monkeypatch.setattr(exports, "_position", then_a_rebuild_comes)
    async with ReadSide(database_url) as read_side, exporter(database_url) as one:
        await read_side.apply(stored)
        assert len(await one.lines()) == 5
        # The first look is only whether it has to wait.
        assert swaps == [True, False]
        await one.ended()
        assert await swap()


async def test_export_waits_for_a_running_swap(filled: str) -> None:
    """A swap by the owner, whose tables in the scratch schema the services may read."""
    async with exporter(filled) as one, await psycopg.AsyncConnection.connect(filled) as swap:
        await swap.execute("create table denizen_rebuild.users (like denizen.users including all)")
        await swap.execute("insert into denizen_rebuild.users select * from denizen.users")
        await swap.execute("drop table denizen.users")
        await swap.execute("alter table denizen_rebuild.users set schema denizen")
        exporting = asyncio.create_task(one.lines(fields=["id"]))
        await until(one.waits, "the export waits for the table")
        await swap.commit()
        assert len(await exporting) == 6000


async def test_piece_can_be_requested_twice(filled: str) -> None:
    async with exporter(filled, Patience(idle=30, linger=30)) as one:
        first = await one.begin()
        second = await one.piece(first, 1)
        assert await one.piece(first, 1) == second
        for number in (0, 3, -1, None, "2"):
            with pytest.raises(Refusal) as refusal:
                await one.serving[first[1][h.EXPORT]](json.dumps({"piece": number}).encode())
            assert refusal.value.code == "validation_failed"
        subject = first[1][h.EXPORT]
        pieces = [first, second]
        while h.EXPORT in pieces[-1][1]:
            pieces.append(await one.piece(first, len(pieces)))
        # Also the last, whose answer may be lost like any other's; and there is none behind it.
        last = len(pieces) - 1
        assert await one.serving[subject](json.dumps({"piece": last}).encode()) == pieces[-1]
        with pytest.raises(Refusal):
            await one.serving[subject](json.dumps({"piece": last + 1}).encode())
        assert one.connections() == 0, "the snapshot is not held for that"
        _, still = await asyncio.wait(one.exports._running, timeout=0.1)  # pyright: ignore[reportPrivateUsage]
        assert still


async def test_last_piece_waits_for_a_slow_client(filled: str) -> None:
    async with exporter(filled, Patience(idle=30, linger=0)) as one:
        piece = await one.begin()
        (running,) = one.exports._running.values()  # pyright: ignore[reportPrivateUsage]
        for number in range(1, 7):
            piece = await one.piece(piece, number)

        async def read() -> bool:
            return running.read

        await until(read, "all is read")
        await asyncio.wait(one.exports._running, timeout=0.1)  # pyright: ignore[reportPrivateUsage]
        last = await one.piece(piece, 7)
        assert h.EXPORT not in last[1]


async def test_export_reads_only_requested_pieces(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = 0
    real = Encoder.users

    def counted(self: Encoder, rows: Any) -> bytes:
        nonlocal encoded
        encoded += len(rows)
        return real(self, rows)

    monkeypatch.setattr(Encoder, "users", counted)
    async with exporter(filled) as one:
        piece = await one.begin()
        (running,) = one.exports._running.values()  # pyright: ignore[reportPrivateUsage]
        for number in range(1, 4):

            async def ahead() -> bool:
                return running._pieces.full()  # pyright: ignore[reportPrivateUsage]

            await until(ahead, "it reads a piece ahead")
            await asyncio.sleep(0)
            assert encoded <= (number + 2) * 1000
            piece = await one.piece(piece, number)


async def test_abandoned_export_ends(filled: str) -> None:
    async with exporter(filled, Patience(idle=0.1, linger=30)) as one:
        await one.begin()
        assert one.connections() == 1
        await one.ended()


async def test_cancelled_export_ends(filled: str) -> None:
    async with exporter(filled) as one:
        (_, headers) = await one.begin()
        answer = one.serving[headers[h.EXPORT]]
        for body in (b'{"end": false}', b'{"end": 1}'):
            with pytest.raises(Refusal):
                await answer(body)
        assert one.connections() == 1
        assert await answer(b'{"end": true}') == await answer(b'{"end": true}') == (b"", {})
        await one.ended()


async def test_exports_at_a_time_are_limited(filled: str) -> None:
    async with exporter(filled) as one:
        begun = [await one.begin() for _ in range(4)]
        with pytest.raises(Refusal) as refusal:
            await one.begin()
        assert refusal.value.code == "overloaded"
        await one.rest(begun[0])
        await one.begin()


async def test_small_exports_are_not_limited(database_url: str) -> None:
    async with ReadSide(database_url):
        fill(database_url, 1, 10, 10)
    async with exporter(database_url, Patience(idle=30, linger=30)) as one:
        for _ in range(10):
            assert len(await one.lines()) == 10


async def test_stop_of_the_service_ends_its_exports(filled: str) -> None:
    async with exporter(filled) as one:
        await one.begin()
        await one.exports.close()
        await one.ended()


async def test_export_shows_what_the_client_has_seen(filled: str) -> None:
    async with exporter(filled) as one:
        with pytest.raises(Refusal) as refusal:
            await one.begin(min_position=20)
        assert (refusal.value.code, refusal.value.details) == ("stale_read", [{"position": 12, "lag": 8}])

        async def move() -> None:
            async with await psycopg.AsyncConnection.connect(filled) as owner:
                await owner.execute("update denizen.projections set position = 20")

        moving = asyncio.create_task(move())
        assert (await one.begin(min_position=20))[1][h.POSITION] == "20"
        await moving


async def test_export_of_latest_waits_for_the_head(filled: str) -> None:
    async with exporter(filled) as one, await psycopg.AsyncConnection.connect(filled, autocommit=True) as owner:
        await owner.execute("update denizen.log_head set position = 20")
        with pytest.raises(Refusal) as refusal:
            await one.begin(min_position="latest")
        assert refusal.value.details == [{"position": 12, "lag": 8}]
        await owner.execute("update denizen.projections set position = 20")
        assert (await one.begin(min_position="latest"))[1][h.POSITION] == "20"


async def test_export_without_its_database_is_refused(filled: str) -> None:
    async with exporter(filled) as one:
        first = await one.begin()
        with psycopg.connect(filled, autocommit=True) as owner:
            owner.execute(_END)
        with pytest.raises(Refusal) as refusal:
            await one.rest(first)
        assert refusal.value.code == "internal"
        assert "begin the export again" in refusal.value.message
        await one.ended()


async def test_export_filters_users(filled: str) -> None:
    async with exporter(filled) as one:
        assert len(await one.lines(filter={"status": "BLOCKED"})) == 600
        assert await one.lines(filter={"status": "PENDING_VERIFICATION"}) == []
        found = await one.lines(
            filter={"createdAfter": "2026-01-01T01:10:00+01:00", "createdBefore": "2026-01-01t00:12:00z"}, fields=["id"]
        )
        assert found == [{"id": "user_000010"}, {"id": "user_000011"}]
        for wrong in ("2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"):
            with pytest.raises(Refusal) as refusal:
                await one.begin(filter={"createdAfter": wrong})
            assert refusal.value.field == "filter.createdAfter"


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("ada", 3),
        ("ADA love", 1),
        ("lo", 2),
        ("\u00e9VE", 1),
        ("ovel", 1),
        ("00% e", 1),
        ("a_b", 1),
        ("crm-2", 1),
        ("bob@xn--bcher-kva.example", 1),
        (" B\u00f6b@b\u00fccher.example ", 1),
        ("example.com zz", 0),
    ],
)
async def test_export_search_finds_what_lists_find(database_url: str, search: str, count: int) -> None:
    made = [
        {"email": "ada.lovelace@example.com", "externalId": "crm-1", "profile": {"displayName": "Ada Love"}},
        {"email": "adam@example.com", "externalId": "crm-2", "profile": {"lastName": "Lovat"}, "emailVerified": True},
        {"email": "bob@b\u00fccher.example", "externalId": "ada", "profile": {"firstName": "\u00c9ve 100% a_b"}},
        {"email": "zoe@example.com", "externalId": "crm-22", "emailVerified": True},
    ]
    stored = await commanded([[("CreateUser", each) for each in made]])
    async with ReadSide(database_url) as lists, exporter(database_url) as one:
        await lists.apply(stored)
        for chosen in ({}, {"status": "ACTIVE"}):
            listed = {user["id"] for user in (await lists.page(search=search, **chosen))["data"]}
            found = await one.lines(filter={"search": search, **chosen}, fields=["id"])
            assert sorted(each["id"] for each in found) == sorted(listed)
            assert chosen or len(listed) == count


async def test_export_with_an_invalid_search_is_refused(database_url: str) -> None:
    async with exporter(database_url) as one:
        for search in ("%", "a\x07", " ".join("abcdefghi"), "", "x" * 129):
            with pytest.raises(Refusal) as refusal:
                await one.begin(filter={"search": search})
            assert (refusal.value.code, refusal.value.field) == ("validation_failed", "filter.search")


async def test_hashes_are_read_only_on_request(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ReadSide(database_url):
        fill(database_url, 1, 2, 10)
        with psycopg.connect(database_url) as owner:
            owner.execute("insert into denizen.passwords values ('user_000001', 'canary')")
    async with exporter(database_url) as one:
        with pytest.raises(Refusal) as refusal:
            await one.begin(fields=["id", "passwordHash"])
        assert refusal.value.code == "forbidden"
        read: list[tuple[str, str | None]] = []
        real = Encoder.users

        def seen(self: Encoder, rows: Any) -> bytes:
            read.extend(rows)
            return real(self, rows)

        monkeypatch.setattr(Encoder, "users", seen)
        for name in ("ExportUsers", "ExportUsersWithHashes"):
            assert "canary" not in json.dumps(await one.lines(name))
        assert [hash for _, hash in read] == [None] * 4
        assert await one.lines("ExportUsersWithHashes", fields=["id", "passwordHash"]) == [
            {"id": "user_000001", "passwordHash": "canary"},
            {"id": "user_000002", "passwordHash": None},
        ]

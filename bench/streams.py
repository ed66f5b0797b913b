"""Users with long streams: what a request on them costs, and what others notice of a user who makes theirs long."""

import asyncio
import itertools
import secrets
import statistics
import time
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
import orjson
import psycopg
from nats.aio.client import Client

from bench.report import Row
from bench.system import System
from services.domain.events import LoginSucceeded, UserUpdated, encode
from services.domain.streams import NewEvent, logins_of
from services.eventstore.keys import data_keys as keys
from services.eventstore.log.chain import link
from services.platform.ids import new_event_id
from services.platform.settings import Settings

Json = dict[str, Any]
LENGTHS = (10, 1_000, 100_000)
"""Events of the users that are measured, each of a kilobyte; they have signed in as often."""
_TEXT = "x" * 1000
_PASSWORD = "correct horse battery"
_TIMEOUT = 120.0
_CALLERS, _PAUSE_SECONDS = 4, 0.01
_COLUMNS = "position, event_id, stream, version, type, schema_version, public, private, metadata, recorded_at, hash"
_MILLISECONDS = "ms"


# --- what a request costs ---------------------------------------------------------------------------------------


def lengths(denizen: System, times: int) -> list[Row]:
    """Time of each kind of request at each length, `times` times, and the memory of accounts after them."""
    return asyncio.run(_lengths(denizen, times))


async def _lengths(denizen: System, times: int) -> list[Row]:
    client = await nats.connect(denizen.nats_url, inbox_prefix="_INBOX.backend")
    rows: list[Row] = []
    shortest: dict[str, list[float]] = {}
    for length in LENGTHS:
        of = f"{length:,} events"
        login = {"email": f"{secrets.token_hex(6)}@example.com", "password": _PASSWORD}
        user = (await _ask(client, "command.CreateUser", {**login, "emailVerified": True}))["user"]["id"]
        middle = await asyncio.to_thread(_lengthen, denizen, user, length)
        signing_in = await asyncio.to_thread(_sign_in, denizen, user, length)
        first = await _timed(client, "command.UpdateUser", {"userId": user, "metadata": {"n": -1}})
        rows.append(Row(f"first command on a user of {of} and no snapshot", _MILLISECONDS, [first], smaller=True))
        await _caught_up(client, user)
        for kind, subject, body in (
            ("UpdateUser", "command.UpdateUser", {"userId": user}),
            ("sign-in", "command.Authenticate", login),
            ("ListSessions", "query.ListSessions", {"userId": user}),
            ("asOf, in the middle", "query.GetUser", {"userId": user, "asOf": middle}),
            ("asOf, amid as many logins", "query.GetUser", {"userId": user, "asOf": signing_in}),
            ("GetUserHistory, 20 rows", "query.GetUserHistory", {"userId": user, "count": 20}),
        ):
            changes = kind == "UpdateUser"
            bodies = [{**body, "metadata": {"n": number}} if changes else body for number in range(times)]
            values = [await _timed(client, subject, each) for each in bodies]
            median = [statistics.median(values)]
            row = Row(f"{kind}, user of {of}, p50", _MILLISECONDS, median, smaller=True)
            if length > LENGTHS[0]:
                row.limit, row.limits, row.target = f"at {LENGTHS[0]} events", shortest[kind], 2.0
            shortest.setdefault(kind, median)
            rows.append(row)
        memory = [denizen.memory_of("accounts")]
        rows.append(Row(f"memory of accounts, after a user of {of}", "MB", memory, smaller=True))
        erased = await _timed(client, "command.DeleteUser", {"userId": user})
        rows.append(Row(f"DeleteUser, user of {of}", _MILLISECONDS, [erased], smaller=True))
    await client.close()
    return rows


async def _timed(client: Client, subject: str, body: Json) -> float:
    """Milliseconds. Raises RuntimeError where it is refused."""
    began = time.perf_counter()
    answer = await _ask(client, subject, body)
    if "error" in answer:
        raise RuntimeError(f"{subject}: {answer['error']['code']}")
    return 1000 * (time.perf_counter() - began)


async def _ask(client: Client, subject: str, body: Json, headers: dict[str, str] | None = None) -> Json:
    reply = await client.request(f"users.v1.{subject}", orjson.dumps(body), timeout=_TIMEOUT, headers=headers)
    answer: Json = orjson.loads(reply.data)
    return answer


async def _caught_up(client: Client, user: str) -> None:
    """Wait until the projections have all of a user."""
    version = (await _ask(client, "command.UpdateUser", {"userId": user}))["version"]
    while (await _ask(client, "query.GetUser", {"userId": user})).get("version") != version:
        await asyncio.sleep(0.1)


def _lengthen(denizen: System, user: str, length: int) -> str:
    """Add changes to a user's stream, without snapshots; the time of the middle one."""
    return _append(denizen, user, user, (_changed(user, version) for version in range(2, length + 1)))


def _sign_in(denizen: System, user: str, count: int) -> str:
    """Add sign-ins to the stream of a user's logins; the time of the middle one."""
    logins = (_signed_in(user, version) for version in range(1, count + 1))
    return _append(denizen, user, logins_of(user), logins)


def _append(denizen: System, user: str, stream: str, events: Iterable[NewEvent]) -> str:
    """Add events to a stream by COPY; the time of the middle one."""
    ring = keys.load(Settings(home=denizen.home))
    with (
        psycopg.connect(denizen.database_url, options="-c search_path=denizen") as connection,
        connection.cursor() as cursor,
    ):
        ((head,),) = cursor.execute("select position from log_head for update").fetchall()
        key_of = "select epoch, wrapped from data_keys where user_id = %s"
        ((epoch, wrapped),) = cursor.execute(key_of, [user]).fetchall()
        key = ring.unwrap(user, epoch, bytes(wrapped))
        tip = "select version, hash from events where stream = %s order by version desc limit 1"
        first, previous = cursor.execute(tip, [stream]).fetchone() or (0, b"")
        at, number = datetime.now(UTC), 0
        with cursor.copy(f"copy events ({_COLUMNS}) from stdin".encode()) as copy:
            for number, event in enumerate(events, 1):
                row = _row(event, stream, first + number, key)
                row |= {"position": head + number, "recorded_at": at + timedelta(microseconds=number)}
                previous = link(bytes(previous), row)
                texts = {name: orjson.dumps(row[name]).decode() for name in ("public", "metadata")}
                copy.write_row((*(row | texts | {"private": bytes.fromhex(row["private"])}).values(), previous))
        cursor.execute("update log_head set position = %s", [head + number])
    return (at + timedelta(microseconds=number // 2)).isoformat().replace("+00:00", "Z")


def _changed(user: str, version: int) -> NewEvent:
    change = UserUpdated({}, {"n": version, "text": _TEXT}, {}, None)
    return encode(change, user, version, "ACTIVE", new_event_id())


def _signed_in(user: str, version: int) -> NewEvent:
    return encode(LoginSucceeded("sess_x", "192.0.2.7", None), user, version, "ACTIVE", new_event_id())


def _row(event: NewEvent, stream: str, version: int, key: keys.DataKey) -> Json:
    return {
        "position": 0,
        "event_id": event.event_id,
        "stream": stream,
        "version": version,
        "type": event.type,
        "schema_version": event.schema_version,
        "public": event.public,
        "private": key.encrypt(event.private or {}, f"{stream}\0{version}\0{event.type}").hex(),
        "metadata": {"commandId": f"long-{version}"},
        "recorded_at": None,
    }


# --- what others notice -----------------------------------------------------------------------------------------


def attack(denizen: System, count: int, seconds: float) -> list[Row]:
    """CreateUser of others before and while a signed-in user sends `count` changes of 15 KB, four at a time."""
    return asyncio.run(_attack(denizen, count, seconds))


async def _attack(denizen: System, count: int, seconds: float) -> list[Row]:
    client = await nats.connect(denizen.nats_url, inbox_prefix="_INBOX.backend")
    email = f"{secrets.token_hex(6)}@example.com"
    login = {"email": email, "password": _PASSWORD}
    await _ask(client, "command.CreateUser", {**login, "emailVerified": True})
    token = (await _ask(client, "command.Authenticate", login))["accessToken"]
    headers = {"Authorization": f"Bearer {token}"}
    rows: list[Row] = []

    async def changes(turns: Iterable[object]) -> None:
        for _ in turns:
            await _ask(client, "self.UpdateUser", {"metadata": {"text": secrets.token_hex(7500)}}, headers)

    async def watched(when: str, work: Awaitable[Any]) -> None:
        stop = asyncio.Event()
        callers = [asyncio.create_task(_others(client, stop)) for _ in range(_CALLERS)]
        await work
        stop.set()
        latencies = sorted(itertools.chain.from_iterable(await asyncio.gather(*callers)))
        for per_cent in (50, 99):
            value = latencies[len(latencies) * per_cent // 100]
            rows.append(Row(f"CreateUser {when}, p{per_cent}", _MILLISECONDS, [value], smaller=True))
        rows.append(Row(f"memory of accounts {when}", "MB", [denizen.memory_of("accounts")], smaller=True))

    numbers = iter(range(count))
    await watched("before", asyncio.sleep(seconds))
    what = f"while one user sends {count:,} changes of 15 KB"
    await watched(what, asyncio.gather(*(changes(numbers) for _ in range(_CALLERS))))
    until = time.perf_counter() + seconds
    more = itertools.takewhile(lambda _: time.perf_counter() < until, itertools.count())
    await watched("after that, while it goes on", asyncio.gather(*(changes(more) for _ in range(_CALLERS))))
    await client.close()
    return rows


async def _others(client: Client, stop: asyncio.Event) -> list[float]:
    """Milliseconds of each."""
    latencies: list[float] = []
    while not stop.is_set():
        began = time.perf_counter()
        await _ask(client, "command.CreateUser", {"email": f"{secrets.token_hex(8)}@example.com"})
        latencies.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(_PAUSE_SECONDS)
    return latencies

"""`denizen doctor`: is everything in place, and does it answer?"""

import asyncio
import stat
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, cast

import orjson
import psycopg
import typer
from denizen import OPERATIONS, NoAnswer
from denizen.events import STREAM
from denizen.transport import Transport
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.errors import Error as JetStreamError

from services import sql
from services.cli import environment, show
from services.database import Database, DatabaseUnavailable, Row
from services.eventstore import keys
from services.eventstore.postgres import PostgresEventStore
from services.settings import Settings

app = typer.Typer(add_completion=False)

_PATIENCE_SECONDS = 3.0
_OLDEST_POSTGRES = 180000
_OLDEST_NATS = (2, 14, 3)


class Wanting(Exception):
    """Something is not as it should be; the text says what, and what to do."""


@dataclass(slots=True)
class Finding:
    """The result of one check."""

    check: str
    ok: bool
    says: str


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Check keys, PostgreSQL, log, triggers, projections, NATS, services and stream. Exit code 1 if one is wanting.

    Looks where DENIZEN_DATABASE_URL and DENIZEN_NATS_URL say, else at the `denizen up` on DENIZEN_HOME.
    """
    settings = environment.settings()
    findings = asyncio.run(_examine(settings))
    well = all(finding.ok for finding in findings)
    if as_json:
        show.json({"ok": well, "checks": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            show.say(f"{'ok     ' if finding.ok else 'WANTING'}  {finding.check:<12}{finding.says}")
    raise typer.Exit(0 if well else 1)


async def _examine(settings: Settings) -> list[Finding]:
    checks: dict[str, Callable[[Settings], Awaitable[str]]] = {
        "keys": _keys,
        "postgresql": _postgresql,
        "log": _log,
        "triggers": _triggers,
        "nats": _nats,
        "services": _services,
        "stream": _stream,
    }
    return [await _check(name, check, settings) for name, check in checks.items()]


async def _check(name: str, check: Callable[[Settings], Awaitable[str]], settings: Settings) -> Finding:
    try:
        return Finding(name, True, await check(settings))
    except NoAnswer as error:
        return Finding(name, False, error.message)
    except (Wanting, keys.KeysMissing) as error:
        return Finding(name, False, str(error))
    except DatabaseUnavailable as error:
        return Finding(name, False, str(error))
    except psycopg.Error as error:
        return Finding(name, False, f"PostgreSQL says: {str(error).partition(chr(10))[0]}")
    except (NatsError, JetStreamError, OSError, TimeoutError) as error:
        return Finding(name, False, f"NATS: {type(error).__name__}")


async def _keys(settings: Settings) -> str:
    ring = keys.load(settings)
    loose = [path.name for path in (settings.home / "keys").glob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if loose:
        raise Wanting(f"others can read {', '.join(loose)} in {settings.home / 'keys'}: chmod 600")
    store = PostgresEventStore(_with_database(settings), ring, "doctor")
    try:
        await store.check_keys()
    finally:
        await store.close()
    return f"epoch {ring.epoch}, and the log was written under them; keep a copy apart from the database"


async def _postgresql(settings: Settings) -> str:
    ((version, *durable, clock),) = await _fetch(settings, "doctor_server")
    if version < _OLDEST_POSTGRES:
        raise Wanting("older than 18, which Denizen is built on")
    if durable != ["on", "on", "on"]:
        raise Wanting("fsync, synchronous_commit, full_page_writes: one is off, so what was acknowledged can be lost")
    if abs(clock - time.time()) > 1:
        raise Wanting(f"its clock differs from ours by {clock - time.time():.1f} s: deadlines will be refused")
    return f"{version // 10000}.{version % 10000}, commits are durable"


async def _log(settings: Settings) -> str:
    ((head, newest, lag),) = await _fetch(settings, "doctor_log")
    if head != newest:
        raise Wanting(f"the head is at {head}, the newest event at {newest}: run `denizen log verify`")
    if lag is None:
        raise Wanting("there are no projections: is the projector running?")
    if lag > 10_000:
        raise Wanting(f"the projections are {lag} events behind: is the projector running?")
    return f"{head} events; the slowest projection is {lag} behind"


async def _triggers(settings: Settings) -> str:
    idle = [name for (name,) in await _fetch(settings, "doctor_triggers")]
    if idle:
        raise Wanting(f"{', '.join(idle)}: disabled or dropped; enable them, then run `denizen log verify`")
    return "the log is append-only, and nothing is wrapped under keys that were rotated away"


async def _nats(settings: Settings) -> str:
    async with _connection(settings) as client:
        version = client.connected_server_version
        if (version.major, version.minor, version.patch) < _OLDEST_NATS:
            raise Wanting(f"{version.major}.{version.minor}.{version.patch} is older than 2.14.3 and has advisories")
        began = time.perf_counter()
        await client.flush()
        milliseconds = (time.perf_counter() - began) * 1000
        return f"{version.major}.{version.minor}.{version.patch}, {milliseconds:.1f} ms away"


async def _services(settings: Settings) -> str:
    """Whether each operation of the contract is served, by `$SRV.INFO.users` (NATS ADR-32)."""
    served: list[str] = []
    async with _connection(settings) as client:
        inbox = client.new_inbox()
        answers = await client.subscribe(inbox)
        await client.publish("$SRV.INFO.users", reply=inbox)
        until = time.monotonic() + _PATIENCE_SECONDS
        while set(served) < set(OPERATIONS) and time.monotonic() < until:
            try:
                answer = await answers.next_msg(timeout=0.5)
            except NatsTimeoutError:
                continue
            if answer.data:
                served += [endpoint["name"] for endpoint in orjson.loads(answer.data)["endpoints"]]
    missing = sorted(set(OPERATIONS) - set(served))
    if missing:
        raise Wanting(f"nobody answers {', '.join(missing)}: are accounts and directory running?")
    return f"all {len(OPERATIONS)} operations are served"


async def _stream(settings: Settings) -> str:
    ((head, *_),) = await _fetch(settings, "doctor_log")
    async with _connection(settings) as client:
        jetstream = client.jetstream(timeout=_PATIENCE_SECONDS)
        state = (await jetstream.stream_info(STREAM)).state
        if state.last_seq == 0:
            published = 0
        else:
            last = await jetstream.get_msg(STREAM, state.last_seq)
            headers = cast(dict[str, str], last.headers or {})
            published = int(headers.get("ce-sequence", 0))
    if head - published > 10_000:
        raise Wanting(f"{head - published} events are not published yet: is the relay running, has NATS room on disk?")
    return f"{STREAM} is {head - published} events behind the log"


async def _fetch(settings: Settings, name: str) -> list[Row]:
    database = Database(_with_database(settings), "doctor")
    try:
        return await asyncio.wait_for(database.fetch(sql.load("services.cli", name), []), _PATIENCE_SECONDS * 2)
    finally:
        await database.close()


def _with_database(settings: Settings) -> Settings:
    if settings.database_url is None:
        raise Wanting("DENIZEN_DATABASE_URL is not set, and no `denizen up` runs on DENIZEN_HOME")
    return settings


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncGenerator[Client]:
    if settings.nats_url is None:
        raise Wanting("DENIZEN_NATS_URL is not set, and no `denizen up` runs on DENIZEN_HOME")
    transport = Transport(settings.nats_url.split(","), _PATIENCE_SECONDS, {})
    try:
        yield await transport.connection()
    finally:
        await transport.close()

"""PostgreSQL, the log in it, and what waits there."""

import asyncio
import time

import psycopg

import projections
from services.doctor.finding import Report, Wanting
from services.eventstore.keys import data_keys as keys
from services.eventstore.log.postgres import PostgresEventStore
from services.platform import sql
from services.platform.database import Database, Parameters, ResultRow
from services.platform.settings import Settings

PATIENCE_SECONDS = 3.0
OLDEST_POSTGRES = 180004
"""18.4 mends errors that let a login run code or read memory of the server."""
LATE_SECONDS = 10
"""An event that was recorded longer ago is projected, and published."""
_LATE_MAIL_SECONDS = 60
"""A mail that was queued longer ago is with its server."""


async def fetch(
    settings: Settings, name: str, parameters: Parameters = (), *, role: str | None = None
) -> list[ResultRow]:
    """The rows of a statement of ours. `role`: to run it under, else the one that commands work under."""
    options = {} if role is None else {"role": role}
    database = Database(required(settings), "doctor", options=options)
    try:
        query = sql.load("services.doctor", name)
        return await asyncio.wait_for(database.fetch(query, parameters), PATIENCE_SECONDS * 2)
    finally:
        await database.close()


def required(settings: Settings) -> Settings:
    """The settings. Raises Wanting where they name no database."""
    if settings.database_url is None:
        raise Wanting("DENIZEN_DATABASE_URL is not set, and no `denizen up` runs on DENIZEN_HOME")
    return settings


async def check_keys(settings: Settings) -> Report:
    """The keys are the log's."""
    ring = keys.load(settings)
    store = PostgresEventStore(required(settings), ring, "doctor")
    try:
        await store.check_keys()
    finally:
        await store.close()
    return Report(f"epoch {ring.epoch}, and the log was written under them; keep a copy apart from the database")


async def check_server(settings: Settings) -> Report:
    """The server is new enough, keeps what it acknowledges, and has our time."""
    ((version, *durable, clock),) = await fetch(settings, "server")
    shown = judge_version(version)
    if durable != ["on", "on", "on"]:
        raise Wanting("fsync, synchronous_commit, full_page_writes: one is off, so what was acknowledged can be lost")
    if abs(clock - time.time()) > 1:
        raise Wanting(f"its clock differs from ours by {clock - time.time():.1f} s: deadlines will be refused")
    return Report(f"{shown}, commits are durable", {"version": version})


def judge_version(version: int) -> str:
    """`version` as server_version_num has it; how it is written. Raises Wanting."""
    shown = f"{version // 10000}.{version % 10000}"
    if version < 180000:
        raise Wanting(f"{shown} is older than 18, which Denizen is built on: upgrade to 18.4 or later")
    if version < OLDEST_POSTGRES:
        raise Wanting(f"{shown} lacks security fixes: update to 18.4 or later (the data stays as it is)")
    return shown


async def check_log(settings: Settings) -> Report:
    """The log's head counts its events."""
    ((head, newest),) = await fetch(settings, "log")
    if head != newest:
        raise Wanting(f"the head is at {head}, the newest event at {newest}: run `denizen log verify`")
    return Report(f"{head} events", {"head": head})


async def check_triggers(settings: Settings) -> Report:
    """The triggers of the migrations fire."""
    idle = [name for (name,) in await fetch(settings, "triggers")]
    if idle:
        raise Wanting(f"{', '.join(idle)}: disabled or dropped; enable them, then run `denizen log verify`")
    return Report("the log is append-only, and nothing is wrapped under keys that were rotated away")


async def check_projections(settings: Settings) -> Report:
    """The projections are there, in the form of this version, and not late."""
    try:
        versions = dict(await fetch(settings, "projection_versions"))
        ((lag, age),) = await fetch(settings, "projections")
    except psycopg.errors.UndefinedTable:
        raise Wanting("the database is not migrated: run `denizen migrate`") from None
    if not versions:
        raise Wanting("there are none: start `denizen run projector`")
    figures = {"lagEvents": lag or 0, "lagSeconds": round(age or 0, 1)}
    awaited = [each.name for each in projections.ALL if versions.get(each.name) != each.version]
    if awaited:
        raise Wanting(
            f"{', '.join(awaited)}: missing or of another version; the projector rebuilds them, "
            "`denizen projections status` shows when it has",
            figures,
        )
    if (age or 0) > LATE_SECONDS:
        raise Wanting(
            f"{lag} events are not projected yet, the oldest for {age:.0f} s: queries show old users. "
            "Unless a large import runs, read the projector's log and restart it",
            figures,
        )
    return Report(f"the slowest is {lag} events behind", figures)


async def check_mails(settings: Settings) -> Report:
    """No mail waits for long."""
    ((waiting, age),) = await fetch(settings, "mails")
    figures = {"waiting": waiting, "oldestSeconds": round(age or 0, 1)}
    if (age or 0) > _LATE_MAIL_SECONDS:
        raise Wanting(
            f"{waiting} mails wait, the oldest for {age:.0f} s: the mailer's log has the SMTP server's answers; "
            "check DENIZEN_SMTP_URL and DENIZEN_MAIL_FROM",
            figures,
        )
    return Report(f"{waiting} are waiting", figures)

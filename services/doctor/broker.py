"""NATS, what is served over it, and the stream of events."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import orjson
from denizen import OPERATIONS
from denizen.events import STREAM
from denizen.transport import Transport
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError

from services.doctor.database import LATE_SECONDS, PATIENCE_SECONDS, fetch
from services.doctor.finding import Report, Wanting
from services.platform.settings import Settings

_OLDEST_NATS = (2, 14, 3)


async def check_server(settings: Settings) -> Report:
    """The server is new enough, and answers."""
    async with _connection(settings) as client:
        version = client.connected_server_version
        if (version.major, version.minor, version.patch) < _OLDEST_NATS:
            raise Wanting(f"{version.major}.{version.minor}.{version.patch} is older than 2.14.3 and has advisories")
        began = time.perf_counter()
        await client.flush()
        milliseconds = (time.perf_counter() - began) * 1000
        return Report(f"{version.major}.{version.minor}.{version.patch}, {milliseconds:.1f} ms away")


async def check_operations(settings: Settings) -> Report:
    """Each operation of the contract is served, by `$SRV.INFO.users` (NATS ADR-32)."""
    served: list[str] = []
    async with _connection(settings) as client:
        inbox = client.new_inbox()
        answers = await client.subscribe(inbox)
        await client.publish("$SRV.INFO.users", reply=inbox)
        until = time.monotonic() + PATIENCE_SECONDS
        while set(served) < set(OPERATIONS) and time.monotonic() < until:
            try:
                answer = await answers.next_msg(timeout=0.5)
            except NatsTimeoutError:
                continue
            if answer.data:
                served += [endpoint["name"] for endpoint in orjson.loads(answer.data)["endpoints"]]
    missing = sorted(set(OPERATIONS) - set(served))
    if missing:
        services = sorted({OPERATIONS[name].service for name in missing})
        raise Wanting(f"no service answers {', '.join(missing)}: read the log of {', '.join(services)}")
    return Report(f"all {len(OPERATIONS)} operations are served")


async def check_stream(settings: Settings) -> Report:
    """The stream keeps up with the log."""
    async with _connection(settings) as client:
        jetstream = client.jetstream(timeout=PATIENCE_SECONDS)
        state = (await jetstream.stream_info(STREAM)).state
        published = 0
        if state.last_seq > 0:
            last = await jetstream.get_msg(STREAM, state.last_seq)
            headers = cast(dict[str, str], last.headers or {})
            published = int(headers.get("ce-sequence", 0))
    ((unpublished, age),) = await fetch(settings, "unpublished", {"published": published})
    unpublished = max(0, unpublished)  # The relay may have been quicker than we are.
    figures = {"unpublished": unpublished, "oldestSeconds": round(age or 0, 1)}
    if (age or 0) > LATE_SECONDS:
        raise Wanting(
            f"{unpublished} events are not published yet, the oldest for {age:.0f} s: read the relay's log, "
            "and see whether NATS has room on its disk",
            figures,
        )
    return Report(f"{STREAM} is {unpublished} events behind the log", figures)


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncGenerator[Client]:
    if settings.nats_url is None:
        raise Wanting("DENIZEN_NATS_URL is not set, and no `denizen up` runs on DENIZEN_HOME")
    transport = Transport(settings.nats_url.split(","), PATIENCE_SECONDS, {})
    try:
        yield await transport.connection()
    finally:
        await transport.close()

"""10,000 commands of four processes, a tenth in conflict: positions have no gap, and a reader misses none."""

import asyncio
import json
import subprocess
import sys

import psycopg
import pytest

from services.eventstore.log.postgres import PostgresEventStore
from tests.support import log
from tests.support.servers import REPOSITORY

PROCESSES, COMMANDS = 4, 2_500


async def follow(url: str, upto: asyncio.Event, seen: list[tuple[int, str]]) -> None:
    """Read the log as the projector does, behind what was read last, until it has ended."""
    store = PostgresEventStore(log.settings(url), log.ring(), "reader")
    while True:
        ended = upto.is_set()
        events = await store.read(seen[-1][0] if seen else 0, 1000)
        seen += [(event.position, str(event.event_id)) for event in events]
        if ended and not events:
            break
        await asyncio.sleep(0)
    await store.close()


@pytest.mark.slow
async def test_positions_are_contiguous_and_read_live(database_url: str) -> None:
    ended = asyncio.Event()
    seen: list[tuple[int, str]] = []
    reading = asyncio.create_task(follow(database_url, ended, seen))
    writers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.writer", database_url, str(COMMANDS)),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    outputs = await asyncio.gather(*(writer.communicate() for writer in writers))
    ended.set()
    await reading
    counts = [json.loads(output) for output, _ in outputs]
    assert all(writer.returncode == 0 for writer in writers)
    answered = sum(sum(count.values()) for count in counts)
    conflicts = sum(count["email_taken"] + count["version_conflict"] for count in counts)
    assert answered == PROCESSES * COMMANDS
    assert conflicts >= answered // 10
    with psycopg.connect(database_url) as connection:
        stored = connection.execute("select position, event_id::text from denizen.events order by position").fetchall()
        head = connection.execute("select position from denizen.log_head").fetchone()
    assert len(stored) == answered - conflicts
    assert [position for position, _ in stored] == list(range(1, len(stored) + 1))
    assert head == (len(stored),)
    assert seen == stored, "the reader saw each event once, in order, while they were written"

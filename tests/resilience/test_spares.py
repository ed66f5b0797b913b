"""A spare projector and relay take over; a server that hangs is survived; a stream that is gone is filled again."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from tests.support.backend import connected, email
from tests.support.servers import REPOSITORY, Denizen
from tests.support.traffic import assert_nothing_lost, traffic


@pytest.mark.slow
@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
async def test_spares_take_over(own_denizen: Denizen, fate: signal.Signals) -> None:
    """From a leader that is killed, and from one that only hangs."""
    spares = [spare(own_denizen, name) for name in ("projector", "relay")]
    leaders = [own_denizen.pids()[name] for name in ("projector", "relay")]
    try:
        async with traffic(own_denizen) as load:
            await load.goes_on()
            for leader in leaders:
                os.kill(leader, fate)
            await load.goes_on()
        await assert_nothing_lost(own_denizen, load)
    finally:
        if fate == signal.SIGSTOP:
            for leader in leaders:
                os.kill(leader, signal.SIGCONT)
        for process in spares:
            process.terminate()
            process.wait(20)
    await assert_nothing_lost(own_denizen, load)


def spare(denizen: Denizen, service: str) -> subprocess.Popen[bytes]:
    """A second process of a service, which waits for its turn."""
    first = psutil.Process(denizen.pids()[service]).environ()
    environment = {name: value for name, value in first.items() if name != "NOTIFY_SOCKET"}
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "run", service],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
async def test_lost_stream_is_filled_again(own_denizen: Denizen) -> None:
    async with traffic(own_denizen) as load:
        await load.goes_on()
    assert own_denizen.stop() == 0
    shutil.rmtree(own_denizen.home / "nats")
    own_denizen.start()
    await assert_nothing_lost(own_denizen, load)


@pytest.mark.slow
async def test_hanging_database_leaves_no_request_unanswered(own_denizen: Denizen) -> None:
    """PostgreSQL stopped, not dead: its sockets stay open. The answers come while it hangs, not because it woke."""
    server = psutil.Process(own_denizen.pids()["postgres"])
    async with connected(own_denizen.nats_url) as backend:
        user = await backend.create()
        frozen = [server, *server.children(recursive=True)]
        for process in frozen:
            process.suspend()
        try:
            asked = [backend.ask("users.v1.command.CreateUser", {"email": email()}, 15) for _ in range(20)]
            asked += [backend.ask("users.v1.query.GetUser", {"userId": user["id"]}, 15) for _ in range(20)]
            asked += [backend.ask("users.v1.query.ListUsers", {}, 15)]
            replies = await asyncio.gather(*asked)
        finally:
            for process in frozen:
                process.resume()
        assert {reply.code for reply in replies} <= {"overloaded", "internal"}
        assert (await backend.insist("users.v1.command.CreateUser", {"email": email()}, 10)).code == ""

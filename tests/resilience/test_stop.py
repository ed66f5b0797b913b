"""A clean end answers all that was accepted, and beside a second process no caller notices it."""

import asyncio
import json
import os
import subprocess
import sys

import psutil
import pytest
from nats.aio.msg import Msg

from tests.support.backend import connected, email
from tests.support.servers import REPOSITORY, Denizen, eventually
from tests.support.traffic import assert_nothing_lost, traffic


@pytest.mark.slow
async def test_sigterm_under_load_answers_every_accepted_request(own_denizen: Denizen) -> None:
    """What has reached the service is answered before it ends."""
    async with connected(own_denizen.nats_url) as backend:
        answers: list[str] = []
        inbox = backend.client.new_inbox()

        async def note(message: Msg) -> None:
            answers.append(message.subject.rpartition(".")[2] if b'"user"' in message.data else "refused")

        await backend.client.subscribe(f"{inbox}.*", cb=note)
        for number in range(2_000):
            body = json.dumps({"email": email()}).encode()
            await backend.client.publish("users.v1.command.CreateUser", body, reply=f"{inbox}.{number}")
        # Everything is at the server, and handed to the service by now or by the time that it drains.
        await backend.client.flush()
        accounts = psutil.Process(own_denizen.pids()["accounts"])
        accounts.terminate()
        async with asyncio.timeout(20):
            while len(answers) < 2_000:
                await asyncio.sleep(0.02)
        assert answers.count("refused") == 0
    assert own_denizen.stop() == 0


@pytest.mark.slow
async def test_up_stops_cleanly_under_load(own_denizen: Denizen) -> None:
    async with traffic(own_denizen) as load:
        await load.goes_on()
        assert await asyncio.to_thread(own_denizen.stop) == 0
    own_denizen.start()
    await assert_nothing_lost(own_denizen, load)


@pytest.mark.slow
async def test_rolling_restart_fails_no_request(own_denizen: Denizen) -> None:
    """Two of each that answers; then one after the other ends. No request fails, none is silent."""
    seconds = {name: beside(own_denizen, name) for name in ("accounts", "directory")}
    try:
        async with traffic(own_denizen) as load:
            await load.goes_on()
            for name, process in seconds.items():
                await load.goes_on()
                process.terminate()
                assert await asyncio.to_thread(process.wait, 20) == 0, name
            await load.goes_on()
        assert (load.silent, load.refused) == (0, 0)
    finally:
        for process in seconds.values():
            process.kill()
            process.wait()
    await assert_nothing_lost(own_denizen, load)


def beside(denizen: Denizen, service: str) -> subprocess.Popen[bytes]:
    """A second process of a service, with the settings of the first; it is ready when this returns."""
    first = psutil.Process(denizen.pids()[service]).environ()
    environment = {name: value for name, value in first.items() if name != "NOTIFY_SOCKET"}
    log = denizen.home.parent / f"second-{service}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "run", service],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    eventually(lambda: b'"event":"ready"' in log.read_bytes(), 20, f"the second {service}")
    return process

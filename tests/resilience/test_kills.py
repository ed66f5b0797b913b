"""kill -9 of every service and server under load, again and again: nothing acknowledged is lost, nothing is doubled."""

import asyncio
from functools import partial

import pytest

from tests.support.servers import Denizen, eventually
from tests.support.traffic import assert_nothing_lost, traffic

ROUNDS = 3


def _has_another(denizen: Denizen, child: str, pid: int) -> bool:
    return denizen.pids().get(child) not in (None, pid)


@pytest.mark.slow
async def test_kills_under_load_lose_nothing(own_denizen: Denizen) -> None:
    async with traffic(own_denizen) as load:
        await load.goes_on()
        for _ in range(ROUNDS):
            for child in ("accounts", "directory", "transfer", "projector", "relay", "mailer", "nats", "postgres"):
                pid = own_denizen.kill(child)
                await load.goes_on(10)
                await asyncio.to_thread(eventually, partial(_has_another, own_denizen, child, pid), 30, child)
    await assert_nothing_lost(own_denizen, load)


@pytest.mark.slow
async def test_servers_killed_together_lose_nothing(own_denizen: Denizen) -> None:
    async with traffic(own_denizen) as load:
        for children in (("nats", "postgres"), ("accounts", "postgres"), ("relay", "nats"), ("projector", "directory")):
            await load.goes_on()
            for child in children:
                own_denizen.kill(child)
            await load.goes_on(10)
    await assert_nothing_lost(own_denizen, load)


@pytest.mark.slow
async def test_killed_supervisor_starts_again_without_loss(own_denizen: Denizen) -> None:
    async with traffic(own_denizen) as load:
        await load.goes_on()
    own_denizen.process.kill()
    own_denizen.stop()
    own_denizen.start()
    async with traffic(own_denizen) as again:
        await again.goes_on()
    load.acknowledged += again.acknowledged
    await assert_nothing_lost(own_denizen, load)

"""Blocks whose end comes while nothing runs that could end them."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.test_block_ends import ended
from tests.support.backend import connected
from tests.support.servers import Denizen, eventually


@pytest.mark.slow
async def test_block_whose_end_comes_in_an_outage_is_ended_after_it(own_denizen: Denizen) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    async with connected(own_denizen.nats_url) as backend:
        user = await backend.create()
        reply = await backend.command("BlockUser", {"userId": user["id"], "until": end.isoformat()})
        assert reply.code == ""
    assert own_denizen.stop() == 0
    eventually(lambda: datetime.now(UTC) > end, what="the end")
    own_denizen.start()
    async with connected(own_denizen.nats_url) as backend:
        assert (await ended(backend, user))["version"] == 3

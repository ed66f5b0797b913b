"""A subscriber may make consumers, and no more of them than NATS can bear (threats: exhausted servers)."""

from pathlib import Path

import pytest
from denizen import AsyncClient
from nats.js.api import ConsumerConfig
from nats.js.errors import APIError

from services.embedded.home import Home
from services.embedded.nats import Nats, accounts_file
from services.relay import publishing
from tests.support.people import talking
from tests.support.permissions import connect
from tests.support.servers import Denizen, running

STREAM = "USERS_EVENTS"
MAXIMUM_REACHED = 10026


@pytest.mark.embedded
@pytest.mark.slow
async def test_consumers_are_bounded_and_existing_ones_continue(own_denizen: Denizen) -> None:
    async with talking(own_denizen) as talk, talking(own_denizen, "subscriber") as subscriber:
        jetstream = subscriber.client.jetstream()
        for number in range(256):
            await jetstream.add_consumer(STREAM, ConsumerConfig(durable_name=f"reader{number}"))
        with pytest.raises(APIError) as caught:
            await jetstream.add_consumer(STREAM, ConsumerConfig(durable_name="one-too-many"))
        assert caught.value.err_code == MAXIMUM_REACHED
        user = await talk.create()
        reader = await jetstream.pull_subscribe_bind("reader0", STREAM)
        (message,) = await reader.fetch(1, timeout=5)
        assert message.subject.endswith(user["id"])


class WithoutSubscribers(Nats):
    """One whose accounts.conf is of a version in which clients made their durables themselves."""

    def prepare(self) -> None:
        super().prepare()
        accounts = accounts_file(self.home.path)
        accounts.write_text(accounts.read_text("utf-8").replace("users.v1.subscriber.*.*", "unused.*.*"), "utf-8")

    def __init__(self, home: Home) -> None:
        super().__init__(home, 0)
        self.home = home


@pytest.mark.embedded
async def test_client_that_may_not_ask_the_relay_makes_its_durable_itself(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    server = WithoutSubscribers(home)
    with running(server, tmp_path / "nats.log"):
        relay = await connect(server, "relay")
        await publishing.declare(relay, 1)
        await publishing.declare_parked(relay, 1)
        login = {"user": "subscriber", "password": server.passwords["subscriber"]}
        async with AsyncClient(server.url, timeout=20, **login) as client:
            await client.auth.events.subscribe("UserBlocked", durable="own", park_after=2, handler=lambda _: None)
        info = await relay.jetstream().consumer_info(STREAM, "own")
        assert (info.config.filter_subject, info.config.max_ack_pending) == ("users.v1.event.UserBlocked.*", 1)
        await relay.close()

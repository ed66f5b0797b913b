"""Who may subscribe may make consumers, and no more of them than NATS can bear (threats: exhausted servers)."""

import pytest
from nats.js.api import ConsumerConfig
from nats.js.errors import APIError

from tests.support.people import talking
from tests.support.servers import Denizen

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

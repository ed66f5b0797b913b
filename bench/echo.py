"""The limit of everything over NATS: nats-py answers each request with its own body. `python -m bench.echo URL`."""

import asyncio
import sys

import nats
import uvloop
from nats.aio.msg import Msg


async def main(url: str) -> None:
    """Serve until killed."""
    client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.05)

    async def answer(message: Msg) -> None:
        await client.publish(message.reply, message.data)

    await client.subscribe("echo", cb=answer)
    await client.flush()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))

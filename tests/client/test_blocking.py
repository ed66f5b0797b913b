"""The event loop in a thread by which blocking clients run."""

import asyncio
import threading
from concurrent.futures import CancelledError

from denizen.blocking import LoopThread


def test_call_while_the_loop_is_closed_raises() -> None:
    for _ in range(50):
        loop = LoopThread()
        told: list[str] = []

        def ask(loop: LoopThread = loop, told: list[str] = told) -> None:
            while True:
                try:
                    loop.run(asyncio.sleep(0.001))
                except CancelledError:
                    continue
                except RuntimeError as refusal:
                    told.append(str(refusal))
                    return

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        loop.close()
        loop.close()
        for thread in threads:
            thread.join(timeout=10)
        assert told == ["the client is closed"] * 8

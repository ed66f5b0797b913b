"""A headless Chromium, driven by its own protocol (Chrome DevTools Protocol)."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""The browser of this machine, where it has one."""
_PATIENCE = 60


class Page:
    """The page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol; its result."""
        number = next(self._ids)
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(_PATIENCE):
            while True:
                message: dict[str, Any] = json.loads((await self._socket.receive()).data)
                if message.get("id") == number:
                    result: dict[str, Any] = message["result"]
                    return result

    async def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true."""
        async with asyncio.timeout(_PATIENCE):
            while not await self.evaluate(script):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def opened(url: str, directory: Path, *options: str) -> AsyncGenerator[Page]:
    """A page at an address; `directory`: of the browser's profile, which is there and empty."""
    assert PROGRAM is not None
    command = [
        *(PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--remote-debugging-port=0", f"--user-data-dir={directory}", *options, "about:blank"),
    ]
    with (directory.with_suffix(".log")).open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=dict(os.environ)
        )
    try:
        port = await _port(directory / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (target, *_) = [each for each in await answer.json() if each["type"] == "page"]
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                await page.call("Page.navigate", url=url)
                yield page
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    async with asyncio.timeout(_PATIENCE):
        while not (lines := _lines(file)):
            assert process.poll() is None, "the browser has ended"
            await asyncio.sleep(0.05)
    return int(lines[0])


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []

"""The examples in TypeScript: their types, and what they show."""

import asyncio
import functools
import http.server
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from denizen import AsyncClient

from scripts import node
from services.embedded.program import free_port
from tests.conftest import PAGE
from tests.support import chromium
from tests.support.backend import email
from tests.support.people import PASSWORD, Postbox
from tests.support.servers import REPOSITORY, Denizen

pytestmark = pytest.mark.embedded
EXAMPLES = REPOSITORY / "examples"
REQUIRE = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'
"""What a bundle for Node needs, because nats.js is CommonJS."""


def run(*command: str) -> None:
    done = subprocess.run(
        command, cwd=node.PACKAGE, env=node.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def bundle(source: Path, target: Path, *options: str) -> None:
    aliases = ("--alias:@denizen/client/browser=./dist/browser.js", "--alias:@denizen/client=./dist/index.js")
    run("esbuild", str(source), "--bundle", "--format=esm", f"--outfile={target}", *aliases, *options)


@pytest.mark.usefixtures("built")
def test_types_of_the_examples_are_right() -> None:
    run("tsc", "-p", str(EXAMPLES / "tsconfig.json"))


@pytest.mark.usefixtures("built")
async def test_service_refuses_a_blocked_user_and_removes_the_cart(denizen: Denizen, tmp_path: Path) -> None:
    script, port = tmp_path / "service.mjs", free_port()
    bundle(EXAMPLES / "typescript_service" / "service.ts", script, "--platform=node", f"--banner:js={REQUIRE}")
    environment = {**node.environment(), "DENIZEN_NATS_URL": denizen.nats_url}
    with (tmp_path / "said").open("wb") as said:
        service = subprocess.Popen(["node", str(script), str(port)], env=environment, stdout=said, stderr=said)
    try:
        await saying(tmp_path / "said", "ready")
        async with AsyncClient(denizen.nats_url, timeout=20) as client, aiohttp.ClientSession() as http:
            address = email()
            user = await client.auth.users.create(email=address, password=PASSWORD, email_verified=True)
            session = await client.auth.sessions.authenticate(email=address, password=PASSWORD)
            bearer = {"Authorization": f"Bearer {session.access_token}"}
            url = f"http://127.0.0.1:{port}/"
            async with http.post(url, headers=bearer) as answer:
                assert await answer.json() == {"userId": user.id, "cart": ["apple"]}
            async with http.get(url) as answer:
                assert answer.status == 401
            await client.auth.users.block(user.id)
            async with asyncio.timeout(20):
                while (await http.get(url, headers=bearer)).status != 401:
                    await asyncio.sleep(0.01)
            await saying(tmp_path / "said", f"removed the cart of {user.id}")
        service.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.wait, 20) == 0
    finally:
        service.kill()
        service.wait()


async def saying(file: Path, text: str) -> None:
    """Wait until a program has said something."""
    async with asyncio.timeout(30):
        while not is_in(file, text):
            await asyncio.sleep(0.02)


def is_in(file: Path, text: str) -> bool:
    return text in file.read_text("utf-8")


@contextmanager
def served(folder: Path) -> Generator[int]:
    """The port at which a folder is served."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.usefixtures("built")
@pytest.mark.skipif(chromium.PROGRAM is None, reason="no Chromium: apt-get install chromium")
async def test_page_registers_signs_in_and_is_told_of_a_block(
    denizen: Denizen, page: dict[str, str], post: Postbox, tmp_path: Path
) -> None:
    html = (EXAMPLES / "sign_in_page" / "index.html").read_text("utf-8")
    for name, value in zip(("SERVER", "USER", "PASSWORD"), page.values(), strict=True):
        html = html.replace(f'"{name}"', f'"{value}"')
    folder, profile, address = tmp_path / "page", tmp_path / "profile", email()
    folder.mkdir()
    profile.mkdir()
    (folder / "index.html").write_text(html, "utf-8")
    bundle(EXAMPLES / "sign_in_page" / "page.ts", folder / "page.js", "--platform=browser")
    with served(folder) as port:
        # The page's origin is the one that the listener takes, wherever it is served.
        resolver = f"--host-resolver-rules=MAP localhost 127.0.0.1:{port}"
        async with chromium.opened(f"{PAGE}/index.html", profile, resolver) as browser:
            await browser.until("document.readyState === 'complete' && !!document.getElementById('says')")

            async def fill(**fields: str) -> None:
                for name, value in fields.items():
                    await browser.evaluate(f"document.getElementById('{name}').value = '{value}'")

            async def click(button: str, says: str) -> None:
                await browser.evaluate(f"document.getElementById('{button}').click()")
                await browser.until(f"document.getElementById('says').textContent.includes('{says}')")

            await fill(email=address, password=PASSWORD)
            await click("register", "We have sent you a code")
            await fill(code=await post.code(address))
            await click("verify", "You can sign in")
            await click("sign-in", f"You are {address} (ACTIVE)")
            async with AsyncClient(denizen.nats_url, timeout=20) as client:
                user = await client.auth.users.get_by_email(address)
                await client.auth.users.block(user.id)
            await browser.until("document.getElementById('says').textContent.includes('session has ended')")
            await fill(password=PASSWORD)
            await click("sign-in", "user_blocked")

"""`wss://` is TLS before anything else, `ws://` with an option of TLS too; without aiohttp, neither is there."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from denizen import AsyncClient, AsyncTokenVerifier, Client, TlsFailed, TokenVerifier

from services.embedded.home import Home
from tests.support.servers import running
from tests.support.tls import Recorder, WebSocketNats, make_certificates, trusting

pytestmark = [
    pytest.mark.embedded,
    # nats-py gives aiohttp the time-out of connecting in an old form.
    pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning"),
]
Attempt = Callable[..., Awaitable[None]]
SECRET = "kcanary-password-of-nats"
LOGIN: dict[str, Any] = {"user": "backend", "password": SECRET}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"), "localhost")


@pytest.fixture
async def plain() -> AsyncIterator[Recorder]:
    """A server without TLS, which takes whatever it is sent."""
    async with Recorder().running() as recorder:
        yield recorder


async def _client(servers: list[str], **options: Any) -> None:
    async with AsyncClient(servers, timeout=10, **options) as client:
        await client.connect()


def _blocking(servers: list[str], **options: Any) -> None:
    with Client(servers, timeout=10, **options) as client:
        client.connect()


async def _verifier(servers: list[str], **options: Any) -> None:
    async with AsyncTokenVerifier(servers, **options):
        pass


def _blocking_verifier(servers: list[str], **options: Any) -> None:
    with TokenVerifier(servers, **options):
        pass


def _in_thread(call: Callable[..., None]) -> Attempt:
    async def attempt(servers: list[str], **options: Any) -> None:
        await asyncio.to_thread(call, servers, **options)

    return attempt


PROGRAMS: dict[str, Attempt] = {
    "client": _client,
    "blocking client": _in_thread(_blocking),
    "verifier": _verifier,
    "blocking verifier": _in_thread(_blocking_verifier),
}


@pytest.mark.parametrize("way", ["scheme", "context", "authority", "mixed"])
@pytest.mark.parametrize("program", PROGRAMS)
async def test_websocket_server_without_tls_hears_nothing(
    program: str, way: str, plain: Recorder, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers, options = [f"{'wss' if way == 'scheme' else 'ws'}://localhost:{plain.port}"], dict(LOGIN)
    if way == "context":
        options["tls"] = trusting(certificates)
    elif way == "authority":
        monkeypatch.setenv("DENIZEN_NATS_CA", str(certificates / "ca.pem"))
    elif way == "mixed":
        servers.append(f"wss://127.0.0.1:{plain.port}")
    async with asyncio.timeout(20):
        with pytest.raises(TlsFailed, match="offers no TLS"):
            await PROGRAMS[program](servers, **options)
    assert plain.heard
    assert plain.in_the_clear == []


@pytest.mark.parametrize("program", PROGRAMS)
async def test_websocket_certificate_of_another_host_is_refused_at_once(
    program: str, certificates: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    home.create()
    server = WebSocketNats(home, certificates)
    with running(server, tmp_path / "nats.log"):
        async with asyncio.timeout(5):
            with pytest.raises(TlsFailed, match=r"not valid for '127\.0\.0\.1'"):
                await PROGRAMS[program](
                    [f"wss://127.0.0.1:{server.websocket_port}"], tls=trusting(certificates), **LOGIN
                )


async def test_websocket_certificate_of_an_unknown_authority_is_refused_at_once(
    certificates: Path, tmp_path: Path
) -> None:
    other, home = make_certificates(tmp_path / "other", "localhost"), Home(tmp_path / "home")
    home.create()
    server = WebSocketNats(home, certificates)
    with running(server, tmp_path / "nats.log"):
        async with asyncio.timeout(5):
            with pytest.raises(TlsFailed, match="is not accepted"):
                await _client([f"wss://localhost:{server.websocket_port}"], tls=trusting(other), **LOGIN)


async def test_websocket_client_comes_back_and_gives_servers_named_later_nothing(
    certificates: Path, tmp_path: Path, plain: Recorder
) -> None:
    """Servers name others without a scheme, which nats-py would connect to without TLS."""
    home = Home(tmp_path)
    home.create()
    server = WebSocketNats(home, certificates)
    login = {"user": "frontend", "password": server.passwords["frontend"]}
    address = f"wss://localhost:{server.websocket_port}"
    async with AsyncClient(address, timeout=20, tls=trusting(certificates), **login) as client:
        with running(server, tmp_path / "nats.log"):
            connection = await client._transport.connection()  # pyright: ignore[reportPrivateUsage]
            # As a server of a cluster tells it.
            told = {"connect_urls": [f"127.0.0.1:{plain.port}"]}
            await connection._process_info(told)  # pyright: ignore[reportPrivateUsage]
            assert [each.port for each in connection.discovered_servers] == [plain.port]
            assert plain.heard == []
        async with asyncio.timeout(20):
            while not plain.heard:
                await asyncio.sleep(0.01)
        with running(server, tmp_path / "nats.log"):
            async with asyncio.timeout(20):
                while not connection.is_connected:
                    await asyncio.sleep(0.01)
            await connection.flush()
    assert plain.in_the_clear == []


async def test_websocket_address_without_aiohttp_names_it(plain: Recorder) -> None:
    script = (
        "import sys; sys.modules['aiohttp'] = None\n"
        "import denizen\n"
        "try:\n    denizen.Client(sys.argv[1]).connect()\n"
        "except denizen.NoAnswer as error:\n    print(error.message)\n"
    )
    for scheme in ("ws", "wss"):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", script, f"{scheme}://localhost:{plain.port}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "pip install aiohttp" in done.stdout
    assert plain.heard == []

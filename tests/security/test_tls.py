"""TLS that was asked for stands before anything else is sent or believed (threats 27, docs/decisions/0032)."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from denizen import AsyncClient, AsyncTokenVerifier, Client, TlsFailed, TokenVerifier
from denizen.messages import CreateUser
from denizen.operations import OPERATIONS
from pydantic import SecretStr

from services.embedded.home import Home
from services.endpoint.server import RequestServer
from services.eventstore.keys import data_keys as keys
from services.platform import broker
from services.platform.settings import Settings
from tests.support import forked
from tests.support.log import ring
from tests.support.servers import REPOSITORY, running
from tests.support.tls import Recorder, TlsNats, make_certificates, trusting

SECRET = "kcanary-password-of-nats"
SERVED = [OPERATIONS["CreateUser"], OPERATIONS["UpdateUser"]]
"""One that nats-py serves, and one that FastStream does."""
ASKING = ("scheme", "context", "authority", "mixed", "hostname")
"""Ways to ask for TLS: a `tls://` address, `tls=`, DENIZEN_NATS_CA, one `tls://` among others, `tls_hostname=`."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"), "localhost")


@pytest.fixture
async def plain() -> AsyncIterator[Recorder]:
    """A server without TLS, which takes whatever it is sent."""
    async with Recorder().running() as recorder:
        yield recorder


class Asking:
    """How one test asks for TLS: addresses, options of a client, environment."""

    def __init__(self, way: str, port: int, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scheme = "tls" if way in ("scheme", "mixed") else "nats"
        self.servers = [f"{scheme}://localhost:{port}"]
        self.options: dict[str, Any] = {"user": "backend", "password": SECRET}
        self.environment: dict[str, str] = {}
        if way == "mixed":
            # With the plain one first, and likely tried first.
            self.servers = [f"nats://localhost:{port}", f"tls://127.0.0.1:{port}"]
            self.options["dont_randomize"] = True
        elif way == "context":
            self.options["tls"] = trusting(certificates)
        elif way == "hostname":
            self.options["tls_hostname"] = "localhost"
        elif way == "authority":
            self.environment["DENIZEN_NATS_CA"] = str(certificates / "ca.pem")
            monkeypatch.setenv("DENIZEN_NATS_CA", str(certificates / "ca.pem"))

    def settings(self) -> Settings:
        secret = SecretStr(SECRET)
        return Settings(
            nats_url=",".join(self.servers),
            nats_responder_password=secret,
            nats_signal_password=secret,
            nats_relay_password=secret,
            nats_revoker_password=secret,
        )


@pytest.fixture
def ask(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Asking]:
    """Ask for TLS in one of the ways, at a port of this machine."""
    return lambda way, port: Asking(way, port, certificates, monkeypatch)


async def _client(asking: Asking) -> None:
    async with AsyncClient(asking.servers, timeout=5, **asking.options) as client:
        await client.auth.users.get("user_01h455vb4pex5vsknk084sn02q")


def _blocking(asking: Asking) -> None:
    with Client(asking.servers, timeout=5, **asking.options) as client:
        client.auth.users.get("user_01h455vb4pex5vsknk084sn02q")


async def _verifier(asking: Asking) -> None:
    async with AsyncTokenVerifier(asking.servers, **asking.options):
        pass


def _blocking_verifier(asking: Asking) -> None:
    with TokenVerifier(asking.servers, **asking.options):
        pass


def _role(user: broker.OwnNatsUser) -> Callable[[Asking], Awaitable[None]]:
    async def connect(asking: Asking) -> None:
        await broker.connect(asking.settings(), user)

    return connect


async def _server(asking: Asking) -> None:
    await RequestServer(asking.settings(), SERVED, ring(), hot=[CreateUser]).start(lambda _: True)


PROGRAMS: dict[str, Callable[[Asking], Any]] = {
    "client": _client,
    "blocking client": lambda asking: asyncio.to_thread(_blocking, asking),
    "verifier": _verifier,
    "blocking verifier": lambda asking: asyncio.to_thread(_blocking_verifier, asking),
    "server": _server,
    **{user: _role(user) for user in ("responder", "signal", "relay", "revoker")},
}
SERVICES = ("server", "responder", "signal", "relay", "revoker")


@pytest.mark.parametrize("way", ASKING)
@pytest.mark.parametrize("program", PROGRAMS)
async def test_plain_server_hears_nothing_if_tls_is_required(
    program: str, way: str, plain: Recorder, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program in SERVICES and way in ("context", "hostname"):
        pytest.skip("services take no such option")
    asking = Asking(way, plain.port, certificates, monkeypatch)
    async with asyncio.timeout(20):
        with pytest.raises(TlsFailed, match="offers no TLS"):
            await PROGRAMS[program](asking)
    assert plain.heard
    assert plain.in_the_clear == []


@pytest.fixture
def environment(tmp_path: Path, database_url: str) -> dict[str, str]:
    """Of a command that has all it needs but NATS."""
    home = Home(tmp_path)
    home.create()
    keys.create_missing(home.path)
    roles = ("RESPONDER", "SIGNAL", "RELAY", "REVOKER", "OPERATOR")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")},
        "DENIZEN_HOME": str(tmp_path),
        "DENIZEN_DATABASE_URL": database_url,
        "DENIZEN_SMTP_URL": "smtp://127.0.0.1:1",
        **{f"DENIZEN_NATS_{role}_PASSWORD": SECRET for role in roles},
    }


@pytest.mark.parametrize("way", ["scheme", "authority", "mixed"])
@pytest.mark.parametrize(
    "command",
    [
        "users list",
        "sessions list user_01h455vb4pex5vsknk084sn02q",
        "events tail",
        "doctor",
        "export",
        *(f"run {service}" for service in ("accounts", "directory", "transfer", "projector", "relay", "mailer")),
    ],
)
async def test_command_line_with_tls_sends_nothing_in_the_clear(
    command: str, way: str, plain: Recorder, environment: dict[str, str], ask: Callable[[str, int], Asking]
) -> None:
    asking = ask(way, plain.port)
    process = await asyncio.create_subprocess_exec(
        *forked.denizen(*command.split()),
        cwd=REPOSITORY,
        env={**environment, "DENIZEN_NATS_URL": ",".join(asking.servers), **asking.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    assert process.returncode == 1, said
    assert b"offers no TLS" in said
    assert SECRET.encode() not in said
    assert plain.heard
    assert plain.in_the_clear == []


async def test_nats_users_with_tls_sends_nothing_in_the_clear(plain: Recorder, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    home.announce({"natsUrl": f"tls://localhost:{plain.port}"})
    process = await asyncio.create_subprocess_exec(
        *forked.denizen("nats-users", "add", "frontend", "web"),
        cwd=REPOSITORY,
        env={**os.environ, "DENIZEN_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode == 1, said
    assert b"offers no TLS" in said
    assert b"--file" in said
    assert plain.heard
    assert plain.in_the_clear == []
    assert "frontend-web" not in (tmp_path / "nats" / "accounts.conf").read_text("utf-8")


async def _reconnecting(recorder: Recorder, certificates: Path) -> AsyncClient:
    client = AsyncClient(
        f"tls://localhost:{recorder.port}", timeout=10, tls=trusting(certificates), user="backend", password=SECRET
    )
    await client.connect()
    assert len(recorder.logins) == 1
    return client


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_server_without_tls_at_a_reconnect_hears_nothing(certificates: Path) -> None:
    async with Recorder({"tls_required": True}, certificates).running() as recorder:
        client = await _reconnecting(recorder, certificates)
        try:
            before, recorder.info, recorder.certificates = len(recorder.heard), {"server_id": "x"}, None
            recorder.drop()
            await _until(lambda: len(recorder.heard) >= before + 3)
            with pytest.raises(TlsFailed):
                await client.auth.users.get("user_01h455vb4pex5vsknk084sn02q")
            assert recorder.in_the_clear == []
            # It comes back by itself where TLS is there again.
            recorder.info, recorder.certificates = {"server_id": "x", "tls_available": True}, certificates
            await _until(lambda: len(recorder.logins) == 2)
        finally:
            await client.close()


@pytest.mark.parametrize("user", ["signal", "responder"])
async def test_service_sends_nothing_to_a_reconnect_without_tls(
    user: broker.OwnNatsUser, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Recorder({"tls_required": True}, certificates).running() as recorder:
        connection = await broker.connect(
            Asking("authority", recorder.port, certificates, monkeypatch).settings(), user
        )
        try:
            before, recorder.info, recorder.certificates = len(recorder.heard), {"server_id": "x"}, None
            recorder.drop()
            await _until(lambda: len(recorder.heard) >= before + 3)
            assert recorder.in_the_clear == []
        finally:
            await connection.close()


async def test_plain_server_that_the_cluster_names_hears_nothing(certificates: Path, plain: Recorder) -> None:
    async with Recorder({"tls_required": True}, certificates).running() as recorder:
        recorder.info_in_tls = {"server_id": "x", "connect_urls": [f"127.0.0.1:{plain.port}"]}
        client = await _reconnecting(recorder, certificates)
        try:
            connection = await client._transport.connection()  # pyright: ignore[reportPrivateUsage]
            await _until(lambda: len(connection.discovered_servers) == 1)
            recorder.info, recorder.certificates = {"server_id": "x"}, None
            recorder.drop()
            await _until(lambda: len(plain.heard) >= 2)
            assert plain.in_the_clear == recorder.in_the_clear == []
        finally:
            await client.close()


async def test_servers_named_before_tls_stands_are_not_believed(certificates: Path, plain: Recorder) -> None:
    named = {"tls_required": True, "connect_urls": [f"127.0.0.1:{plain.port}"]}
    async with Recorder(named, certificates).running() as recorder:
        client = await _reconnecting(recorder, certificates)
        try:
            connection = await client._transport.connection()  # pyright: ignore[reportPrivateUsage]
            assert connection.discovered_servers == []
        finally:
            await client.close()


Attempt = Callable[[str, ssl.SSLContext], Coroutine[Any, Any, None]]


async def _connect_client(server: str, context: ssl.SSLContext) -> None:
    async with AsyncClient(server, timeout=10, tls=context, user="backend", password=SECRET) as client:
        await client.connect()


async def _connect_verifier(server: str, context: ssl.SSLContext) -> None:
    async with AsyncTokenVerifier(server, tls=context, user="backend", password=SECRET):
        pass


@pytest.mark.parametrize("attempt", [_connect_client, _connect_verifier])
async def test_certificate_of_another_host_is_refused_at_once(attempt: Attempt, certificates: Path) -> None:
    async with Recorder({"tls_required": True}, certificates).running() as recorder, asyncio.timeout(5):
        with pytest.raises(TlsFailed, match=r"not valid for '127\.0\.0\.1'"):
            await attempt(f"tls://127.0.0.1:{recorder.port}", trusting(certificates))
        assert recorder.logins == []


@pytest.mark.parametrize("attempt", [_connect_client, _connect_verifier])
async def test_certificate_of_an_unknown_authority_is_refused_at_once(
    attempt: Attempt, certificates: Path, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path, "localhost")
    async with Recorder({"tls_required": True}, certificates).running() as recorder, asyncio.timeout(5):
        with pytest.raises(TlsFailed, match="is not accepted"):
            await attempt(f"tls://localhost:{recorder.port}", trusting(other))
        assert recorder.logins == []


@pytest.mark.parametrize("user", ["relay", "responder"])
async def test_service_with_another_authority_does_not_start(
    user: broker.OwnNatsUser, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_certificates(tmp_path, "localhost")
    async with Recorder({"tls_required": True}, certificates).running() as recorder, asyncio.timeout(5):
        asking = Asking("authority", recorder.port, other, monkeypatch)
        with pytest.raises(TlsFailed, match="is not accepted"):
            await broker.connect(asking.settings(), user)
        assert recorder.logins == []


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_authority_that_cannot_be_read_is_named(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: Recorder
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("DENIZEN_NATS_CA", str(path))
    async with AsyncClient(f"nats://127.0.0.1:{plain.port}") as client:
        with pytest.raises(TlsFailed, match="DENIZEN_NATS_CA"):
            await client.connect()
    with pytest.raises(TlsFailed, match="DENIZEN_NATS_CA"):
        await broker.connect(Settings(nats_url=f"nats://127.0.0.1:{plain.port}"), "signal")
    assert plain.heard == []


@pytest.mark.parametrize("scheme", ["http", "tls+x", ""])
def test_unknown_scheme_is_refused(scheme: str) -> None:
    with pytest.raises(ValueError, match="tls://"):
        AsyncClient(f"{scheme}://localhost:4222")


@pytest.mark.parametrize("address", ["TLS://localhost:{}", " tls://localhost:{}", "Tls://backend:secret@localhost:{}"])
async def test_tls_scheme_in_any_case_is_tls(address: str, plain: Recorder) -> None:
    async with AsyncClient(address.format(plain.port), timeout=5) as client:
        with pytest.raises(TlsFailed, match="offers no TLS"):
            await client.connect()
    assert plain.in_the_clear == []


@pytest.mark.embedded
@pytest.mark.parametrize("more", ["", "handshake_first: true", "handshake_first: auto"])
async def test_server_with_tls_lets_clients_and_services_in(
    more: str, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    home.create()
    server = TlsNats(home, certificates, more)
    with running(server, tmp_path / "nats.log"):
        asking = Asking("authority", server.port, certificates, monkeypatch)
        secrets = {f"nats_{role}_password": SecretStr(server.passwords[role]) for role in ("responder", "signal")}
        settings = asking.settings().model_copy(update=secrets)
        for scheme in ("tls", "nats"):  # The authority alone is enough.
            async with AsyncClient(f"{scheme}://localhost:{server.port}", timeout=10) as client:
                await client.connect()
        serving = RequestServer(settings, SERVED, ring(), hot=[CreateUser])
        await serving.start(lambda _: False)
        await serving.stop_receiving()
        await serving.close()
        await broker.disconnect(await broker.connect(settings, "signal"))


@pytest.mark.embedded
async def test_end_of_a_connection_with_tls_is_not_logged_as_a_fault(
    certificates: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path)
    home.create()
    server = TlsNats(home, certificates)
    with running(server, tmp_path / "nats.log") as process:
        client = AsyncClient(f"tls://localhost:{server.port}", tls=trusting(certificates), timeout=1)
        await client.connect()
        process.kill()
        process.wait()
        for _ in range(10):  # Turns of the loop, in which the client reads the end of its connection.
            await asyncio.sleep(0)
    await client.close()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []

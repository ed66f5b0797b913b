"""PostgreSQL as compose.yaml demands it: `sslmode=verify-full` for each service, by the environment of libpq."""

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from services.embedded.home import Home
from services.eventstore.keys import files as keys
from tests.support import forked
from tests.support.servers import REPOSITORY, NatsServer, running
from tests.support.tls import make_certificates
from tests.support.tls_postgres import TlsFront, TlsPostgres, programs_with_openssl

pytestmark = pytest.mark.embedded
SERVICES = ("projector", "accounts", "directory", "transfer", "relay", "mailer")
"""The directory waits for the tables of the projector."""
WAIT_SECONDS = 60
"""Two on a quiet machine."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"), "localhost", postgres="localhost")


@pytest.fixture
def environment(tmp_path: Path, nats_server: NatsServer, certificates: Path) -> dict[str, str]:
    """Of a service that has all it needs but the address of PostgreSQL."""
    home = Home(tmp_path / "home")
    home.create()
    keys.create_missing(home.path)
    passwords = {f"DENIZEN_NATS_{user.upper()}_PASSWORD": secret for user, secret in nats_server.passwords.items()}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")},
        **passwords,
        "DENIZEN_HOME": str(home.path),
        "DENIZEN_NATS_URL": nats_server.url,
        "DENIZEN_SMTP_URL": "smtp://127.0.0.1:1",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(certificates / "ca.pem"),
    }


class Program:
    """A `denizen …` that runs, and what it has written to stderr."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = b""

    async def says(self, words: bytes) -> None:
        """Wait until it has said it. Fails where it ends before."""
        assert self._process.stderr
        async with asyncio.timeout(WAIT_SECONDS):
            while words not in self.said:
                line = await self._process.stderr.readline()
                assert line, self.said
                self.said += line

    async def ends(self, code: int) -> None:
        """Wait for its end."""
        async with asyncio.timeout(WAIT_SECONDS):
            self.said += (await self._process.communicate())[1]
        assert self._process.returncode == code, self.said


@asynccontextmanager
async def started(command: str, environment: dict[str, str], **differs: str) -> AsyncGenerator[Program]:
    process = await asyncio.create_subprocess_exec(
        *forked.denizen(*command.split()),
        cwd=REPOSITORY,
        env={**environment, **differs},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_services_with_verify_full_become_ready_over_tls(
    environment: dict[str, str], database_url: str, certificates: Path
) -> None:
    async with TlsFront(database_url, certificates).running() as front, AsyncExitStack() as running_services:
        for service in SERVICES:
            program = started(f"run {service}", environment, DENIZEN_DATABASE_URL=front.url)
            await (await running_services.enter_async_context(program)).says(b'"event":"ready"')
        assert front.sessions >= len(SERVICES)
        assert front.in_the_clear == []


async def test_migrate_with_verify_full_works_over_tls(
    environment: dict[str, str], database_url: str, certificates: Path
) -> None:
    async with (
        TlsFront(database_url, certificates).running() as front,
        started("migrate", environment, DENIZEN_DATABASE_URL=front.url, DENIZEN_CELL="other") as program,
    ):
        await program.ends(0)
        assert front.sessions > 0
        assert front.in_the_clear == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[TlsPostgres]:
    programs = programs_with_openssl()
    if programs is None:
        pytest.skip("this machine has no PostgreSQL that was built with OpenSSL")
    directory = tmp_path_factory.mktemp("postgres")
    server = TlsPostgres(programs, directory, certificates)
    with running(server, directory.parent / "postgres.log"):
        yield server


async def test_service_with_verify_full_is_let_in_by_a_postgres_with_tls(
    environment: dict[str, str], server: TlsPostgres
) -> None:
    """It is older than Denizen needs, so there is no schema; a service that says so has logged in."""
    async with started("run relay", environment, DENIZEN_DATABASE_URL=server.url) as program:
        await program.says(b"run `denizen migrate`")


FAULTS = {
    "host": b"does not match host name",
    "authority": b"certificate verify failed",
    "no TLS": b"no pg_hba.conf entry",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_service_that_cannot_trust_its_postgres_says_so_and_ends(
    fault: str, environment: dict[str, str], server: TlsPostgres, tmp_path: Path
) -> None:
    url, differs = server.url, dict[str, str]()
    if fault == "host":
        url = make_conninfo(url, host="127.0.0.1")
    elif fault == "authority":
        differs["PGSSLROOTCERT"] = str(make_certificates(tmp_path / "other", "localhost") / "ca.pem")
    else:
        differs["PGSSLMODE"] = "disable"
    async with started("run relay", environment, DENIZEN_DATABASE_URL=url, **differs) as program:
        await program.ends(1)
    assert FAULTS[fault] in program.said
    assert server.password.encode() not in program.said

"""Fixtures of real servers, each started when a test first asks for it. Loopback only; nothing is left running.

`--servers=containers` takes PostgreSQL and NATS from the images of compose.yaml instead of the embedded ones.
"""

import gc
import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import psycopg
import pytest

from services.embedded.home import Home
from services.embedded.nats import Nats
from services.embedded.postgres import Postgres
from services.eventstore.migrations.migrate import migrate
from tests.support import containers
from tests.support.people import Postbox, Talk, talking
from tests.support.servers import REPOSITORY, Denizen, NatsServer, PostgresServer, copied, running

CELL = "denizen"
PAGE = "http://localhost:8080"
"""The origin of the pages that may connect to the shared `denizen up` over WebSocket."""

# What a shell in the background or `nohup` has ignored would be so in every program that we start, and signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The tests start hundreds of programs. Where the environment forbids bytecode beside the source, each of them would
# compile all our modules, so the programs share a cache elsewhere.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    os.environ["PYTHONPYCACHEPREFIX"] = str(REPOSITORY / ".pytest_cache" / "bytecode")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--servers", choices=["embedded", "containers"], default="embedded")


def pytest_collection_finish() -> None:
    """What was collected stays to the end, so the garbage collector leaves it out from now on."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def in_containers(pytestconfig: pytest.Config) -> bool:
    """Whether PostgreSQL and NATS run in containers. Skips where they should and no engine answers."""
    wanted = pytestconfig.getoption("--servers") == "containers"
    if wanted and not containers.engine_answers():
        pytest.skip("no Docker engine answers")
    return wanted


@pytest.fixture(autouse=True)
def _embedded_only(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("embedded") and request.config.getoption("--servers") == "containers":
        pytest.skip("is about the embedded servers")


@pytest.fixture(scope="session")
def servers_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The directory of the servers that the tests share."""
    home = Home(tmp_path_factory.mktemp("servers"))
    home.create()
    return home


@pytest.fixture(scope="session")
def postgres(servers_home: Home, in_containers: bool) -> Iterator[PostgresServer]:
    """A PostgreSQL; `.url` is the owner's address of a database in which the cell `denizen` is migrated."""
    if in_containers:
        with containers.postgres() as server:
            migrate(server.url, CELL)
            yield server
        return
    server = Postgres(servers_home)
    with running(server, servers_home.path / "log" / "postgres.log"):
        # Its data need not outlive the machine, and each test's database would wait for the disk.
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        migrate(server.url, CELL)
        yield server


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """The owner's address of a database of the test's own, migrated and empty."""
    with copied(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def nats_server(servers_home: Home, in_containers: bool) -> Iterator[NatsServer]:
    """A NATS with the accounts of production; `.url`, and `.passwords` by user."""
    if in_containers:
        with containers.nats(servers_home.path) as server:
            yield server
        return
    server = Nats(servers_home, port=0)
    with running(server, servers_home.path / "log" / "nats.log"):
        yield server


@pytest.fixture(scope="session")
def denizen(
    tmp_path_factory: pytest.TempPathFactory, in_containers: bool, request: pytest.FixtureRequest
) -> Iterator[Denizen]:
    """A whole `denizen up`, shared by all tests: kill its children if you like, but do not stop it."""
    home = tmp_path_factory.mktemp("denizen") / "home"
    if not in_containers:
        listener = {"DENIZEN_NATS_WEBSOCKET": "127.0.0.1:0", "DENIZEN_NATS_WEBSOCKET_ORIGINS": PAGE}
        yield from _up(home, **listener)
        return
    nats: NatsServer = request.getfixturevalue("nats_server")
    environment = {f"DENIZEN_NATS_{user.upper()}_PASSWORD": secret for user, secret in nats.passwords.items()}
    # Not the database that those of other tests are copied from: PostgreSQL copies none that is in use.
    with copied(request.getfixturevalue("postgres")) as url:
        yield from _up(home, DENIZEN_NATS_URL=nats.url, DENIZEN_DATABASE_URL=url, **environment)


@pytest.fixture
def own_denizen(tmp_path: Path) -> Iterator[Denizen]:
    """A whole `denizen up` of the test's own."""
    yield from _up(tmp_path / "home")


@pytest.fixture(scope="session")
def other_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Denizen]:
    """One whose Register does not reveal who has an account, and that asks for no recent sign-in; shared."""
    home = tmp_path_factory.mktemp("other") / "home"
    yield from _up(home, DENIZEN_REGISTER_DISCREET="true", DENIZEN_RECENT_SIGN_IN_MINUTES="0")


def _up(home: Path, **environment: str) -> Generator[Denizen]:
    instance = Denizen(home, **environment)
    instance.start()
    yield instance
    if instance.process.poll() is None:
        assert instance.stop() == 0
    assert instance.leftovers() == []


@pytest.fixture
async def talk(denizen: Denizen) -> AsyncIterator[Talk]:
    """A trusted back end."""
    async with talking(denizen) as made:
        yield made


@pytest.fixture
async def front(denizen: Denizen) -> AsyncIterator[Talk]:
    """A front end, which NATS lets ask little."""
    async with talking(denizen, "frontend") as made:
        yield made


@pytest.fixture(scope="session")
def post(denizen: Denizen) -> Postbox:
    return Postbox(denizen)

"""Fixtures of real servers, each started when a test first asks for it. Loopback only; nothing is left running."""

from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from services.embedded.home import Home
from services.embedded.nats import Nats
from services.embedded.postgres import Postgres
from services.eventstore.migrate import migrate
from tests.support.servers import Denizen, running

CELL = "denizen"


@pytest.fixture(scope="session")
def servers_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The directory of the servers that the tests share."""
    home = Home(tmp_path_factory.mktemp("servers"))
    home.create()
    return home


@pytest.fixture(scope="session")
def postgres(servers_home: Home) -> Iterator[Postgres]:
    """A PostgreSQL; `.url` is the owner's address of a database in which the cell `denizen` is migrated."""
    server = Postgres(servers_home)
    with running(server, servers_home.path / "log" / "postgres.log"):
        migrate(server.url, CELL)
        yield server


_databases = count(1)


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """The owner's address of a database of the test's own, migrated and empty."""
    name = f"test_{next(_databases)}"
    admin = make_conninfo(postgres.url, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template denizen").format(sql.Identifier(name)))
    yield postgres.url.removesuffix("/denizen") + f"/{name}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def nats_server(servers_home: Home) -> Iterator[Nats]:
    """A NATS with the accounts of production; `.url`, and `.passwords` by user."""
    server = Nats(servers_home, port=0)
    with running(server, servers_home.path / "log" / "nats.log"):
        yield server


@pytest.fixture(scope="session")
def denizen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Denizen]:
    """A whole `denizen up`, shared by all tests: kill its children if you like, but do not stop it."""
    yield from _up(tmp_path_factory.mktemp("denizen") / "home")


@pytest.fixture
def own_denizen(tmp_path: Path) -> Iterator[Denizen]:
    """A whole `denizen up` of the test's own."""
    yield from _up(tmp_path / "home")


def _up(home: Path) -> Generator[Denizen]:
    instance = Denizen(home)
    instance.start()
    yield instance
    if instance.process.poll() is None:
        assert instance.stop() == 0
    assert instance.leftovers() == []

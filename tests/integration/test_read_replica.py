"""The directory reads from a streaming replica (DENIZEN_READ_DATABASE_URL), and is never staler than a query allows."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import denizen
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from services.embedded.home import Home
from services.embedded.postgres import Postgres
from services.embedded.program import launched
from tests.support.servers import Denizen, eventually, running

pytestmark = pytest.mark.embedded

PASSWORD = "a-password-of-the-directory"


class Replica(Postgres):
    """A hot standby of another embedded PostgreSQL."""

    def __init__(self, home: Home, primary: str) -> None:
        super().__init__(home)
        self._primary = primary

    def _initialize(self) -> None:
        self._data.mkdir(mode=0o700)
        if self._uid is not None:
            os.chown(self._data, self._uid, -1)
        backup = [str(self._bin / "pg_basebackup"), "-D", ".", "-R", "-c", "fast", "-d", self._primary]
        command = launched(backup, self._data, signal.SIGKILL, self._uid)
        subprocess.run(command, check=True, capture_output=True)

    def is_ready(self) -> bool:
        """A hot standby is ready when it takes connections; the database is that of the primary."""
        self._answered = True
        return super().is_ready()


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Postgres]:
    home = Home(tmp_path / "primary")
    home.create()
    server = Postgres(home)
    with running(server, home.path / "log" / "postgres.log"):
        yield server


@pytest.fixture
def replica(primary: Postgres, tmp_path: Path) -> Iterator[str]:
    """The address of the replica for the primary's owner."""
    home = Home(tmp_path / "replica")
    home.create()
    server = Replica(home, primary.url)
    with running(server, home.path / "log" / "postgres.log"):
        yield make_conninfo(primary.url, port=server.port)


@pytest.fixture
def served(primary: Postgres, replica: str, tmp_path: Path) -> Iterator[Denizen]:
    """A `denizen up` on the primary, whose directory reads from the replica."""
    reads = make_conninfo(replica, user="denizen_directory", password=PASSWORD)
    up = Denizen(
        tmp_path / "home",
        DENIZEN_DATABASE_URL=primary.url,
        DENIZEN_READ_DATABASE_URL=reads,
        DENIZEN_POSTGRES_DIRECTORY_PASSWORD=PASSWORD,
    )
    up.start()
    yield up
    assert up.stop() == 0


def test_queries_read_from_the_replica_and_wait_for_it(served: Denizen, replica: str) -> None:
    with denizen.Client(served.nats_url) as client, psycopg.connect(replica, autocommit=True) as standby:
        users = client.auth.users
        ada = users.create(email="ada@example.com", password="a good long one", email_verified=True)
        assert users.get_by_email("ada@example.com").id == users.get(ada.id).id == ada.id
        assert [user.id for user in users.list(search="ada").data] == [ada.id]
        client.auth.sessions.authenticate(email="ada@example.com", password="a good long one")
        assert len(users.login_history(ada.id).data) == 1
        names = "select application_name from pg_stat_activity where application_name like 'denizen directory %'"
        kinds = {name.removeprefix("denizen directory ") for (name,) in standby.execute(names)}
        assert {"GetUser", "GetUserByEmail", "UserSearch", "GetLoginHistory"} <= kinds

        standby.execute("select pg_wal_replay_pause()")
        eventually(lambda: standby.execute("select pg_get_wal_replay_pause_state()").fetchone() == ("paused",))
        grace = users.create(email="grace@example.com")
        with pytest.raises(denizen.StaleRead):
            users.get(grace.id, timeout=2)
        standby.execute("select pg_wal_replay_resume()")
        assert users.get(grace.id).id == grace.id

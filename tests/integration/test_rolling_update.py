"""Services of an earlier commit go on working on the schema that this one has migrated."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import denizen
import pytest

from scripts import check_contract
from services.eventstore.migrations.migrate import migrate
from tests.support.servers import REPOSITORY, Denizen

pytestmark = pytest.mark.embedded


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The files of the commit that the contract is compared with: the last release, or where this branch began."""
    base = check_contract.base()
    if base is None:
        pytest.skip("this clone knows no earlier commit")
    archive = subprocess.run(["git", "archive", base], cwd=REPOSITORY, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"this clone has not the files of {base}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path / "source", filter="data")
    services = tmp_path / "source" / "services"
    if next(services.rglob("roles.py"), None) and not next(services.rglob("0018.projection_tables.sql"), None):
        pytest.skip("between decisions 28 and 34 the projector owned its tables: they are dropped, and rebuilt later")
    return tmp_path / "source"


@pytest.fixture
def earlier(source: Path, tmp_path: Path) -> Iterator[Denizen]:
    """A `denizen up` of the earlier commit."""
    running = Denizen(tmp_path / "home", PYTHONPATH=f"{source}:{source / 'contracts'}")
    running.source = source
    running.start()
    yield running
    assert running.stop() == 0


def test_earlier_services_go_on_after_the_migration(earlier: Denizen) -> None:
    with denizen.Client(earlier.nats_url) as client:
        users, sessions = client.auth.users, client.auth.sessions
        user = users.create(email="ada@example.com", password="a good long one", email_verified=True)
        migrate(earlier.database_url, "denizen")
        other = users.create(email="grace@example.com", profile={"firstName": "Grace"})
        assert users.get_by_email("GRACE@example.com").id == other.id
        assert [found.id for found in users.list(search="grace").data] == [other.id]
        token = sessions.authenticate(email="ada@example.com", password="a good long one").access_token
        assert client.auth.me(token).get().login_count == 1
        assert users.update(user.id, metadata={"theme": "dark"}).metadata == {"theme": "dark"}
        assert users.block(user.id).status == "BLOCKED"
        assert len(users.history(user.id).data) >= 3
        users.delete(other.id)
        with pytest.raises(denizen.UserNotFound):
            users.get(other.id)

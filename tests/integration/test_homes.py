"""`denizen up` on directories with unusual names, and as unusual users."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.embedded.home import Home
from services.embedded.postgres import Postgres
from services.embedded.program import launched
from services.platform.settings import Settings
from services.platform.startup import CannotStart
from tests.support.servers import REPOSITORY, Denizen, running

pytestmark = pytest.mark.embedded
UNKNOWN = 54321
"""A user id without an entry in /etc/passwd."""
AS_UNKNOWN = f"""
import codecs, os, sys
from pathlib import Path
from services.embedded.home import Home
from services.embedded.postgres import Postgres
from services.platform.startup import CannotStart
codecs.lookup("ascii")  # Nothing can be imported after the change.
os.setgroups([])
os.setgid({UNKNOWN})
os.setuid({UNKNOWN})
home = Home(Path(sys.argv[1]))
home.create()
try:
    Postgres(home).prepare()
except CannotStart as error:
    print(error)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes its user id, which root alone can")


def test_home_with_unusual_name_starts(tmp_path: Path) -> None:
    """Its path has letters of other scripts, signs that shells and formats know, and more octets than a socket's."""
    home = tmp_path / "jürgen 小明" / "a \"b\" 'c' $HOME {d} \\n # %s *;`e`\nf\tg" / "/".join(["l" * 120] * 3)
    home.parent.mkdir(parents=True, exist_ok=True)
    temporary = tmp_path / ("t" * 90)
    temporary.mkdir()
    denizen = Denizen(home, TMPDIR=str(temporary))
    denizen.start()
    try:
        assert denizen.addresses["mailDir"] == str(home / "mail")
        assert (home / "nats" / "jetstream").is_dir()
    finally:
        assert denizen.stop() == 0


@pytest.mark.parametrize("written", ["~/in my home", "{tmp}/missing/../in my home", "missing/../in my home"])
def test_spellings_of_a_home_are_one_directory(tmp_path: Path, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all that read the setting. A shell replaces `~`; a file of variables does not."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DENIZEN_HOME", written.format(tmp=tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Settings().home == Home(Settings().home).path == tmp_path / "in my home"


def test_home_that_is_a_loop_of_links_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(CannotStart, match="cannot make"):
        Home(Settings(home=tmp_path / "loop").home).create()


def test_home_that_is_not_utf8_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="not UTF-8"):
        Home(tmp_path / os.fsdecode(b"latin-\xfc")).create()


@as_root
def test_unix_user_without_a_name_is_told_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:  # pytest's own, which other users may not enter
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, UNKNOWN, UNKNOWN)
    done = subprocess.run(
        [sys.executable, "-c", AS_UNKNOWN, str(home)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert f"user id {UNKNOWN} has no entry in /etc/passwd" in done.stdout, done.stderr
    assert "DENIZEN_DATABASE_URL" in done.stdout


@as_root
def test_database_of_a_unix_user_without_a_name_starts(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    Postgres(home).prepare()
    data = tmp_path / "postgres"
    for path in (data, *data.rglob("*")):
        os.chown(path, UNKNOWN, UNKNOWN)
    with running(Postgres(home), tmp_path / "log" / "postgres.log") as process:
        assert process.poll() is None


@as_root
def test_private_programs_start_as_an_unprivileged_user(tmp_path: Path) -> None:
    """As in a clone or a virtual environment below /root: initdb looks by access(2) for the programs beside it."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    program = private / "program"
    shutil.copy("/bin/true", program)
    look = f"import os; print(os.getuid(), os.access({str(program)!r}, os.R_OK | os.X_OK))"
    command = launched([sys.executable, "-I", "-S", "-c", look], private, signal.SIGKILL, UNKNOWN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{UNKNOWN} True\n", "")

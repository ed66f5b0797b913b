"""Completion in the shells themselves: a line is typed with a tab in it, and the command that it becomes runs."""

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sysconfig
import termios
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_commands import Shell

_STARTS = {
    "bash": (["bash", "--noprofile", "--norc", "-i"], "source {script}"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source {script}"),
    "fish": (["fish", "--no-config", "-i"], "source {script}"),
}
"""How each shell starts without the settings of a user, and takes the script of completion."""
_SECONDS = 120


class Terminal:
    """A program on a terminal of 80 columns, in a directory of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shown = ""

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def until(self, text: str) -> None:
        """Wait until the program shows a text, and forget what it showed up to there."""
        deadline = time.monotonic() + _SECONDS
        while text not in self._shown:
            assert select.select([self._descriptor], [], [], max(deadline - time.monotonic(), 0))[0], self._shown
            self._shown += os.read(self._descriptor, 65536).decode(errors="replace")
        self._shown = self._shown.partition(text)[2]


@contextmanager
def terminal(command: list[str], directory: Path) -> Generator[Terminal]:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    environment = {"PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}", "TERM": "xterm", "PS1": "$ "}
    process = subprocess.Popen(
        command,
        cwd=directory,
        env={**environment, "HOME": str(directory), "DENIZEN_HOME": str(directory / "home")},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        # It becomes the terminal of the session, as that of a window does.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads of ours run here
    )
    os.close(its)
    try:
        yield Terminal(ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("name", sorted(_STARTS))
def test_tab_completes_commands_in_the_shell(name: str, tmp_path: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"this machine has no {name}")
    script = tmp_path / "completion"
    script.write_text(Shell(tmp_path / "home", _DENIZEN_COMPLETE=f"source_{name}").run()[1])
    start, source = _STARTS[name]
    with terminal(start, tmp_path) as shell:
        shell.type(f"{source.format(script=script)}; printf 'rea%s' dy\n")
        shell.until("ready")
        shell.type("denizen users bl\t-h\n")
        shell.until("Block a user, whatever the status.")
        shell.type("denizen import und\t-h\n")
        shell.until("Erase the users that an import created")


def test_files_are_offered_beside_undo(tmp_path: Path) -> None:
    """A shell offers files by itself only where it is offered nothing."""
    for each in ("users.jsonl", "other.csv", "u spaced.csv", ".hidden"):
        (tmp_path / each).touch()
    (tmp_path / "unpacked").mkdir()

    def offered(word: str) -> list[str]:
        words = {"COMP_WORDS": f"denizen import {word}", "COMP_CWORD": "2", "_DENIZEN_COMPLETE": "complete_bash"}
        program = Path(sysconfig.get_path("scripts")) / "denizen"
        done = subprocess.run(
            [program], cwd=tmp_path, env={**os.environ, **words}, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert offered("u") == ["undo", "unpacked/", "users.jsonl"]
    assert offered("") == ["undo", "other.csv", "unpacked/", "users.jsonl"]
    assert offered("us") == []


def test_completion_offers_one_word_at_a_time(tmp_path: Path) -> None:
    words = {"COMP_WORDS": "denizen im", "COMP_CWORD": "1", "_DENIZEN_COMPLETE": "complete_bash"}
    assert Shell(tmp_path, **words).run()[1].split("\n")[:-1] == ["import"]


def test_completion_in_zsh_keeps_apostrophes(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("this machine has no zsh")
    script = tmp_path / "completion"
    script.write_text(Shell(tmp_path / "home", _DENIZEN_COMPLETE="source_zsh").run()[1])
    start, source = _STARTS["zsh"]
    with terminal(start, tmp_path) as shell:
        shell.type(f"{source.format(script=script)}; printf 'rea%s' dy\n")
        shell.until("ready")
        shell.type("denizen users \t")
        shell.until("Mail a code to a user's new address.")

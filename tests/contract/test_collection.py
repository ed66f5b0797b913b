"""Tests run side by side, so each process must collect the same ones: no random value or order in their ids."""

import os
import subprocess
import sys

import pytest

from tests.support.servers import REPOSITORY


@pytest.mark.slow
def test_collection_in_two_processes_is_the_same() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider"]
    collecting = [
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = ([line for line in each.communicate()[0].splitlines() if "::" in line] for each in collecting)
    assert len(first) > 1000, first
    assert [one for one, other in zip(first, second, strict=True) if one != other] == []

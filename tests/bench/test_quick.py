"""The bench runs from end to end, and writes what it says. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import REPOSITORY


@pytest.mark.slow
def test_quick_run_writes_its_results(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench", "--quick", "--only", "start", "--only", "store", "--only", "cost"),
            *("--beside", str(REPOSITORY)),
            *("--json", str(tmp_path / "results.json"), "--markdown", str(tmp_path / "table.md")),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_bytes())
    assert results["machine"]["cores"] > 0
    rows = {row["name"]: row for row in results["results"]}
    assert rows["append, 100 in flight"]["ratio"] > 0
    assert rows["CreateUser, processor time"]["ratio"] > 0
    assert all(row["median"] > 0 for row in rows.values())
    assert "append, 100 in flight" in done.stdout
    assert (tmp_path / "table.md").read_text().count("\n") == len(results["results"]) + 2


def test_unknown_part_is_refused() -> None:
    command = [sys.executable, "-m", "bench", "--only", "nothing"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    assert done.returncode == 2

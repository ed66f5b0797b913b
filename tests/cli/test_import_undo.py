"""`denizen import undo` as people type it, and its client's call."""

import json
import signal
from pathlib import Path

import denizen as contract
import pytest

from tests.cli.test_commands import Shell
from tests.cli.test_transfer import users, written
from tests.support.servers import Denizen
from tests.transfer.support import name


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


def in_use(shell: Shell, file: Path, *options: str) -> str:
    """Import a file; returns the name of the job."""
    job = name()
    code, _, err = shell.run("import", str(file), "--import-id", job, *options)
    assert code == 0, err
    return job


def test_undo_erases_the_imported_users(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
    rows = users(150)
    job = in_use(shell, written(tmp_path / "users.jsonl", rows))
    assert shell.run("import", "undo", job, "--yes") == (0, "150 undone, 0 erased before, 0 kept\n", "")
    code, out, err = shell.run("import", "undo", job, "--yes")
    assert (code, out) == (0, "0 undone, 150 erased before, 0 kept\n")
    assert "undone before" in err
    with contract.Client(denizen.nats_url) as client:
        assert client.auth.users.create(email=rows[0]["email"]).version == 1, "the address is free"


def test_undo_lists_the_users_that_stay(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
    rows = users(3)
    job = in_use(shell, written(tmp_path / "users.jsonl", rows))
    with contract.Client(denizen.nats_url) as client:
        client.see_latest()
        kept = client.auth.users.get_by_email(rows[1]["email"])
        client.auth.users.block(kept.id)
    code, out, err = shell.run("import", "undo", job, "--yes", "--json")
    assert (code, err) == (1, "")
    assert json.loads(out) == {
        "importId": job,
        "undone": 2,
        "gone": 0,
        "kept": 1,
        "users": [{"userId": kept.id, "because": "UserBlocked"}],
    }
    code, out, err = shell.run("import", "undo", job, "--yes")
    assert (code, out) == (1, "0 undone, 2 erased before, 1 kept\n")
    assert f"{kept.id}: kept, because of UserBlocked" in err


def test_undo_without_a_terminal_needs_yes(shell: Shell) -> None:
    code, out, err = shell.run("import", "undo", name())
    assert (code, out) == (2, "")
    assert "--yes" in err


def test_undo_of_an_unknown_import_says_so(shell: Shell) -> None:
    code, out, err = shell.run("import", "undo", name(), "--yes")
    assert (code, out) == (1, "")
    assert "No user was created by an import of the name" in err
    code, out, err = shell.run("import", "undo", name(), "--yes", "--json")
    assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "import_not_found")


def test_file_named_undo_is_imported_by_its_path(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path / "undo", users(1))
    code, out, err = shell.run("import", str(file), "--format", "jsonl")
    assert (code, out) == (0, "1 created, 0 updated, 0 skipped, 0 failed\n"), err


def test_undo_is_refused_to_a_back_end(denizen: Denizen) -> None:
    with contract.Client(denizen.nats_url) as client, pytest.raises(contract.DenizenError):
        client.auth.users.undo_import(name())


def test_killed_undo_goes_on(shell: Shell, tmp_path: Path) -> None:
    job = in_use(shell, written(tmp_path / "users.jsonl", users(2_000)))
    process = shell.start("import", "undo", job, "--yes")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = shell.json("import", "undo", job, "--yes")
    assert (done["undone"] + done["gone"], done["kept"]) == (2_000, 0)


def test_repair_names_what_was_not_changed(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
    rows = users(2)
    in_use(shell, written(tmp_path / "users.jsonl", rows))
    with contract.Client(denizen.nats_url) as client:
        client.see_latest()
        user = client.auth.users.get_by_email(rows[0]["email"])
        client.auth.users.update(user.id, metadata={"n": 77})
    right = written(tmp_path / "right.jsonl", [{**each, "metadata": {"n": 5}} for each in rows])
    told = tmp_path / "results.jsonl"
    in_use(shell, right, "--on-conflict", "update", "--results", str(told))
    _, first, second = [json.loads(line) for line in told.read_bytes().splitlines()]
    assert (first["status"], first["notChanged"]) == ("updated", ["metadata"])
    assert (second["status"], "notChanged" in second) == ("updated", False)

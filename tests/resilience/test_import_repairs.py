"""Files of each preset imported, repaired and undone twice; and with clients that are killed while users change."""

import json
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import denizen as contract
import pytest
from denizen.importing.presets import PRESETS

from tests.cli.test_commands import Shell
from tests.importing.test_presets import SAMPLES
from tests.support.servers import Denizen
from tests.transfer.support import name

KILLS = 4
USERS = 12_000
_SAMPLE_OF = {system: next(SAMPLES.glob(f"{system}.[cjl]*")) for system in PRESETS}
_HASHES = ("--without-hashes", "unsupported")


def exported(shell: Shell, path: Path) -> dict[str, Any]:
    """The users, by address, without what each change counts up."""
    code, _, err = shell.run("export", "--output", str(path))
    assert code == 0, err
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {user["email"]: {**user, "version": 0, "updatedAt": ""} for user in found}


@pytest.mark.slow
@pytest.mark.parametrize("system", PRESETS)
def test_repair_by_the_same_file_changes_nothing_and_undo_leaves_nothing(
    denizen: Denizen, tmp_path: Path, system: str
) -> None:
    shell, out, job = Shell(denizen.home), tmp_path / "out.jsonl", name()
    more = ("--hash-config", str(SAMPLES / "firebase-hash-config.txt")) if system == "firebase" else ()
    arguments = ("import", str(_SAMPLE_OF[system]), "--from", system, "--json", *_HASHES, *more)
    before = exported(shell, out)
    first = json.loads(shell.run(*arguments, "--import-id", job)[1])
    assert first["created"]
    # A program of its own has another seed for the order of sets: the rows must be the same all the same.
    again = json.loads(shell.start(*arguments, "--import-id", job).communicate(timeout=60)[0])
    assert (again["created"], again["failed"]) == (first["created"], first["failed"])
    assert again["before"]
    once = exported(shell, out)
    for _ in range(2):
        update = json.loads(shell.run(*arguments, "--on-conflict", "update", "--import-id", name())[1])
        assert (update["created"], update["updated"], update["notChanged"]) == (0, first["created"], 0)
        assert exported(shell, out) == once
    undone = json.loads(shell.run("import", "undo", job, "--yes", "--json")[1])
    # A password in the clear gets a new hash at each update: these users were touched by another import.
    assert {each["because"] for each in undone["users"]} <= {"PasswordChanged"}
    assert undone["undone"] + undone["kept"] == first["created"]
    with contract.Client(denizen.nats_url) as client:
        for each in undone["users"]:
            client.auth.users.delete(each["userId"])
    assert exported(shell, out) == before


def auth0(path: Path, addresses: list[str], *, blocked: bool) -> Path:
    with path.open("w") as file:
        for address in addresses:
            row = {"user_id": f"auth0|{address}", "email": address, "logins_count": 1, "blocked": blocked}
            file.write(json.dumps(row) + "\n")
    return path


@contextmanager
def changing(denizen: Denizen, users: list[str]) -> Generator[set[str]]:
    """Changes users, one after the other, until the block ends; the ids of those that were changed."""
    changed: set[str] = set()
    ended = threading.Event()

    def change() -> None:
        with contract.Client(denizen.nats_url) as client:
            for user in users:
                if ended.is_set():
                    return
                try:
                    client.auth.users.update(user, profile={"firstName": "Changed"})
                except contract.DenizenError:
                    continue  # Erased by then.
                changed.add(user)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield changed
    finally:
        ended.set()
        thread.join()


def killed(shell: Shell, *arguments: str) -> None:
    """Runs a command and kills it, each time a little later."""
    for number in range(KILLS):
        process = shell.start_forked(*arguments)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=0.6 + 0.3 * number)
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_killed_repair_and_undo_are_complete_when_run_again(denizen: Denizen, tmp_path: Path) -> None:
    shell, out, job, repair = Shell(denizen.home), tmp_path / "out.jsonl", name(), name()
    addresses = [f"{job}.{number}@example.com" for number in range(USERS)]
    wrong = auth0(tmp_path / "wrong.json", addresses, blocked=False)
    right = auth0(tmp_path / "right.json", addresses[: USERS // 2], blocked=True)
    code, text, err = shell.run("import", str(wrong), "--from", "auth0", "--import-id", job, "--json")
    assert (code, json.loads(text)["created"]) == (0, USERS), err
    ids = {email: user["id"] for email, user in exported(shell, out).items() if email.startswith(job)}

    arguments = ("import", str(right), "--from", "auth0", "--import-id", repair, "--on-conflict", "update", "--json")
    with changing(denizen, [ids[each] for each in addresses[: USERS // 2 : 7]]) as changed:
        killed(shell, *arguments)
    code, text, err = shell.run(*arguments)
    assert (code, json.loads(text)["updated"]) == (0, USERS // 2), err
    now = exported(shell, out)
    assert {now[each]["status"] for each in addresses[: USERS // 2]} == {"BLOCKED"}
    assert {user["id"] for user in now.values() if user["profile"].get("firstName") == "Changed"} == changed

    undo = ("import", "undo", job, "--yes", "--json")
    with changing(denizen, [ids[each] for each in reversed(addresses[USERS // 2 :])]) as touched:
        killed(shell, *undo)
    result = json.loads(shell.run(*undo)[1])
    now = exported(shell, out)
    left = {user["id"] for email, user in now.items() if email.startswith(job)}
    assert left == {ids[each] for each in addresses[: USERS // 2]} | touched, "repaired by another import, or changed"
    assert (result["kept"], result["undone"] + result["gone"]) == (len(left), USERS - len(left))

"""`denizen erasure verify` and `denizen keys rotate`: what they print, and their exit codes."""

import base64
import json
import os
import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.test_commands import Shell
from tests.support import forked
from tests.support.log import user_id
from tests.support.servers import REPOSITORY, Denizen


def run(home: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, output, errors."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
    done = subprocess.run(
        forked.denizen(*arguments),
        cwd=REPOSITORY,
        env={**clean, "DENIZEN_HOME": str(home), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def verify(denizen: Denizen, user: str) -> tuple[int, dict[str, Any]]:
    code, out, err = run(denizen.home, "erasure", "verify", user, "--json")
    assert err == ""
    return code, json.loads(out)


@pytest.fixture
def erased(denizen: Denizen) -> str:
    """A user who was created, and deleted just now."""
    address = f"{secrets.token_hex(8)}@example.com"
    code, out, err = run(denizen.home, "users", "create", "--email", address, "--verified", "--json")
    assert code == 0, err
    user: str = json.loads(out)["id"]
    assert run(denizen.home, "users", "delete", user, "--yes")[0] == 0
    return user


def left(receipt: dict[str, Any]) -> dict[str, list[str]]:
    return {place["place"]: place["faults"] for place in receipt["places"] if place["faults"]}


def test_verify_of_a_deleted_user_prints_a_receipt(denizen: Denizen, erased: str) -> None:
    code, receipt = verify(denizen, erased)
    assert left(receipt) == {}
    assert code == 0
    with psycopg.connect(denizen.database_url, options="-c search_path=denizen") as connection:
        query = "select position, encode(hash, 'hex') from events where user_id = %s order by position desc"
        assert connection.execute(query, [erased]).fetchone() == (receipt["position"], receipt["tombstoneHash"])
        names = connection.execute("select tablename from pg_tables where schemaname = 'denizen'").fetchall()
    assert receipt["userId"] == erased
    assert receipt["erased"] is True
    assert receipt["deletedAt"].endswith("Z")
    places = {place["place"] for place in receipt["places"]}
    assert places >= {f"table {name}" for (name,) in names}
    assert places >= {"stream USERS_EVENTS", "stream KV_users_revocations", "the user's events"}
    assert len(receipt["notSearched"]) == 3
    for each in receipt["places"]:
        assert each.keys() == {"place", "searched", "kept", "reason", "faults"}
        assert not each["kept"] or each["reason"]

    code, out, _ = run(denizen.home, "erasure", "verify", erased)
    assert code == 0
    assert receipt["tombstoneHash"] in out
    assert out.endswith("Nothing is left.\n")
    assert "not here mails that were sent" in out


@pytest.mark.embedded
def test_receipt_on_a_narrow_terminal_breaks_lines_between_words(denizen: Denizen, erased: str) -> None:
    code, shown = Shell(denizen.home).on_terminal("erasure", "verify", erased, streams=["stdout"], columns=80)
    assert code == 0
    places = [line for line in shown.splitlines() if line.startswith(("ok", "not here", " "))]
    assert max(map(len, places)) <= 80


@pytest.mark.embedded
def test_verify_searches_the_files_of_the_home(denizen: Denizen, erased: str) -> None:
    _, receipt = verify(denizen, erased)
    rooms = {place["place"]: place["searched"] for place in receipt["places"] if place["place"].startswith("files ")}
    assert rooms.keys() >= {"files log/", "files nats/", "files keys/", "files ./"}
    assert all(rooms.values())
    stray = denizen.home / "log" / "stray.log"
    stray.write_text(f"about {erased}\n")
    try:
        code, receipt = verify(denizen, erased)
    finally:
        stray.unlink()
    assert code == 1
    assert left(receipt) == {"files log/": ["log/stray.log names the user"]}


def test_verify_finds_what_is_left_in_a_table(denizen: Denizen, erased: str) -> None:
    with psycopg.connect(denizen.database_url, options="-c search_path=denizen", autocommit=True) as connection:
        connection.execute("insert into passwords values (%s, 'x')", [erased])
        try:
            code, out, _ = run(denizen.home, "erasure", "verify", erased)
        finally:
            connection.execute("delete from passwords where user_id = %s", [erased])
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("LEFT")]
    assert "table passwords" in line
    assert out.endswith("The user is not erased.\n")


def test_verify_of_a_living_or_unknown_user_is_refused(denizen: Denizen) -> None:
    address = f"{secrets.token_hex(8)}@example.com"
    _, out, _ = run(denizen.home, "users", "create", "--email", address, "--json")
    code, receipt = verify(denizen, json.loads(out)["id"])
    assert (code, receipt["erased"], receipt["tombstoneHash"]) == (1, False, None)
    assert left(receipt) == {"the log": ["the user is not deleted"]}
    code, receipt = verify(denizen, user_id())
    assert code == 1
    assert left(receipt) == {"the log": ["no user of this id has ever been in this log"]}


@pytest.mark.parametrize("user", ["user_x", "a@example.com", "%", "user_01H455VB4PEX5VSKNK084SN02Q"])
def test_verify_of_a_malformed_user_id_is_wrong_usage(denizen: Denizen, user: str) -> None:
    code, out, err = run(denizen.home, "erasure", "verify", user)
    assert (code, out) == (2, "")
    assert "not the id of a user" in err


def test_verify_without_a_database_or_nats_says_so(denizen: Denizen, erased: str, tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "erasure", "verify", user_id())
    assert code == 2
    assert "DENIZEN_DATABASE_URL is not set" in err
    code, _, err = run(tmp_path, "erasure", "verify", user_id(), DENIZEN_DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert code == 1
    assert "The log cannot be read: PostgreSQL is not reachable: " in err
    # What was not looked through is no proof.
    code, out, _ = run(tmp_path, "erasure", "verify", erased, "--json", DENIZEN_DATABASE_URL=denizen.database_url)
    assert code == 1
    assert left(json.loads(out)).keys() == {"NATS"}
    assert len(json.loads(out)["notSearched"]) == 4
    environment = {"DENIZEN_DATABASE_URL": denizen.database_url, "DENIZEN_NATS_URL": "nats://127.0.0.1:1"}
    code, out, _ = run(tmp_path, "erasure", "verify", erased, "--json", **environment)
    assert code == 1
    assert left(json.loads(out)).keys() == {"NATS"}


# --- keys rotate ------------------------------------------------------------------------------------------------


@pytest.mark.embedded
def test_keys_rotate_makes_a_new_epoch(other_settings: Denizen) -> None:
    home = other_settings.home
    address = f"{secrets.token_hex(8)}@example.com"
    assert run(home, "users", "create", "--email", address)[0] == 0
    code, out, err = run(home, "keys", "rotate")
    assert (code, err) == (0, "")
    told = re.search(r"Every key is wrapped under epoch 2; ([0-9]+) were rewrapped\.", out)
    assert told
    wrapped = int(told[1])
    assert wrapped >= 3  # this user's, and the server's two
    assert f"Deleted from {home / 'keys'}: kek-1." in out
    assert f"Back up {home / 'keys'}/kek-2 now" in out
    code, out, _ = run(home, "keys", "rotate", "--keep-old", "--json")
    assert code == 0
    assert json.loads(out) == {"epoch": 3, "rewrapped": wrapped, "removed": [], "left": [2]}
    assert run(home, "users", "get", "--email", address)[0] == 0
    assert run(home, "users", "create", "--email", f"{secrets.token_hex(8)}@example.com")[0] == 0
    assert run(home, "doctor")[0] == 0


def test_keys_rotate_with_keys_in_the_environment(database_url: str, tmp_path: Path) -> None:
    one, two, claims = (secrets.token_bytes(32) for _ in range(3))
    text = {name: base64.b64encode(key).decode() for name, key in (("1", one), ("2", two), ("claims", claims))}
    environment = {"DENIZEN_DATABASE_URL": database_url, "DENIZEN_CLAIM_KEY": text["claims"]}
    first, both = f"1:{text['1']}", f"1:{text['1']},2:{text['2']}"
    code, out, err = run(tmp_path, "keys", "rotate", DENIZEN_KEY_ENCRYPTION_KEYS=first, **environment)
    assert (code, out) == (1, "")
    assert "Add a key of epoch 2 to DENIZEN_KEY_ENCRYPTION_KEYS" in err
    code, out, err = run(tmp_path, "keys", "rotate", DENIZEN_KEY_ENCRYPTION_KEYS=both, **environment)
    assert code == 0, err
    assert "Remove epoch 1 from DENIZEN_KEY_ENCRYPTION_KEYS everywhere" in out
    code, _, err = run(tmp_path, "keys", "rotate", DENIZEN_KEY_ENCRYPTION_KEYS=first, **environment)
    assert code == 1
    assert "this log is beyond it" in err
    assert run(tmp_path, "keys", "rotate")[0] == 2
    assert not any(key in out + err for key in text.values())

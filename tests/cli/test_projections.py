"""`denizen projections` and `denizen users list`, as people type them."""

import json
import secrets
import signal
from pathlib import Path
from zlib import crc32

import psycopg
import pytest

import projections
from tests.cli.test_commands import Shell
from tests.support.servers import Denizen

NAMES = [projection.name for projection in projections.ALL]


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


def test_status_lists_each_projection(shell: Shell) -> None:
    shell.json("users", "create", "--email", f"{secrets.token_hex(8)}@example.com")
    found = shell.json("projections", "status")["projections"]
    assert [each["name"] for each in found] == NAMES
    for each in found:
        assert set(each) == {"name", "version", "position", "lag", "since", "current"}
        assert each["current"]
        assert each["position"] > 0
        assert each["lag"] >= 0
    code, out, _ = shell.run("projections", "status")
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == NAMES


def test_rebuild_swaps_the_projections(shell: Shell) -> None:
    address = f"{secrets.token_hex(8)}@example.com"
    shell.json("users", "create", "--email", address)
    built = shell.json("projections", "rebuild", "users", "by_email")
    assert built["projections"] == ["users", "by_email"]
    assert built["position"] > 0
    code, out, err = shell.run("projections", "rebuild")
    assert (code, err) == (0, "")
    assert all(name in out for name in NAMES)
    assert shell.json("users", "get", "--email", address)["email"] == address


def test_wrong_usage_and_refusals_have_exit_codes(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
    code, _, err = shell.run("projections", "rebuild", "nothing")
    assert code == 2
    assert "no such projection: nothing" in err
    for command in ("status", "rebuild"):
        assert Shell(tmp_path).run("projections", command)[0] == 2, "there is no database"
        assert shell.run("projections", command, "--help")[0] == 0
    with psycopg.connect(denizen.database_url) as other:
        other.execute("select pg_advisory_lock(1684369006, %s::int8::bit(32)::int4)", [crc32(b"denizen/rebuild")])
        code, out, err = shell.run("projections", "rebuild")
    assert (code, out) == (1, "")
    assert err == "another rebuild is under way.\n"


def test_rebuild_with_the_wrong_keys_changes_nothing(denizen: Denizen, tmp_path: Path) -> None:
    """Under them every user would look erased."""
    (tmp_path / "keys").mkdir()
    for name in ("kek-1", "claims"):
        (tmp_path / "keys" / name).write_text("A" * 43 + "=\n")
    wrong = Shell(tmp_path, DENIZEN_DATABASE_URL=denizen.database_url)
    before = wrong.json("projections", "status")["projections"]
    code, out, err = wrong.run("projections", "rebuild")
    assert (code, out) == (1, "")
    assert "is not the one that this log was written under" in err
    for was, now in zip(before, wrong.json("projections", "status")["projections"], strict=True):
        assert now["position"] >= was["position"]


def test_rebuild_that_is_interrupted_leaves_the_live_tables(shell: Shell, denizen: Denizen) -> None:
    rebuild = shell.start("projections", "rebuild")
    rebuild.send_signal(signal.SIGINT)
    rebuild.communicate(timeout=60)
    assert rebuild.returncode != 0
    with psycopg.connect(denizen.database_url) as owner:
        assert owner.execute("select from pg_tables where schemaname = 'denizen_rebuild'").fetchall() == []
    assert all(each["current"] for each in shell.json("projections", "status")["projections"])


def test_rebuild_on_a_terminal_shows_progress(shell: Shell) -> None:
    code, shown = shell.on_terminal("projections", "rebuild", "users")
    assert code == 0
    assert "Rebuilt" in shown
    assert "Building" in shown


def test_users_list_prints_page_by_page(shell: Shell) -> None:
    word = f"w{secrets.token_hex(6)}"
    made = [
        shell.json(
            "users", "create", "--email", f"{word}.{n}@example.com", "--profile", json.dumps({"firstName": "Ada"})
        )
        for n in range(3)
    ]
    code, out, err = shell.run("users", "list", "--search", word, "--sort", "email", "--count", "2")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[:3] for row in rows] == [[user["id"], user["email"], "PENDING_VERIFICATION"] for user in made[:2]]
    assert all(len(row) == 5 for row in rows)
    option, cursor = err.split()
    page = shell.json("users", "list", "--search", word, "--sort", "email", option, cursor)
    assert [user["id"] for user in page["data"]] == [made[2]["id"]]
    assert (page["total"], page["nextCursor"]) == (3, None)
    assert shell.json("users", "list", "--search", word, "--status", "BLOCKED")["total"] == 0
    assert shell.run("users", "list", "--search", word, option, cursor)[0] == 1, "of another sort"
    assert shell.run("users", "list", "--sort", "age")[0] == 2

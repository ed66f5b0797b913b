"""The report of `denizen import`, with real servers: refusals, rows left out, fields not taken, changed values."""

import json
from collections.abc import Iterator
from pathlib import Path

import denizen as contract
import pytest
from denizen.import_results import ImportResult
from denizen.messages import ErrorBody

from services.cli.import_results import line_of
from tests.cli.test_commands import Shell
from tests.cli.test_transfer import results, users, written
from tests.support.servers import REPOSITORY, Denizen, eventually
from tests.transfer.support import PASSWORD, Json, name

SAMPLES = REPOSITORY / "tests" / "importing" / "samples"


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


@pytest.fixture
def client(denizen: Denizen) -> Iterator[contract.Client]:
    with contract.Client(denizen.nats_url) as opened:
        yield opened


def own_copy(sample: str, folder: Path) -> tuple[Path, str]:
    """A sample with a domain of its own, and this domain."""
    domain = f"{name()}.example"
    content = (SAMPLES / sample).read_text("utf-8").replace("example.com", domain)
    for theirs in ("odd0000", '"u-', "00000000-0000-4000"):  # Ids of their users.
        content = content.replace(theirs, f"{theirs[:2]}{name()}-")
    file = folder / sample
    file.write_text(content, "utf-8")
    return file, domain


KINDS: list[tuple[Json | bytes, str, str | None]] = [
    ({"email": "k"}, "validation_failed", "email"),
    ({"email": "a@example.com", "passwordHash": "md5:abc"}, "validation_failed", "passwordHash"),
    ({"email": "a@example.com", "profile": {"locale": "xx-yy-zz-1"}}, "validation_failed", "profile.locale"),
    ({"email": "a@example.com", "profile": {"timezone": "Mars"}}, "validation_failed", "profile.timezone"),
    ({"email": "a@example.com", "status": "GONE"}, "validation_failed", "status"),
    ({"email": "a@example.com", "createdAt": "yesterday"}, "validation_failed", "createdAt"),
    ({"email": "a@example.com", "foo": 1}, "validation_failed", "foo"),
    ({"externalId": "x"}, "validation_failed", "email"),
    ({"email": "a@example.com", "password": "short"}, "weak_password", "password"),
    (b"{broken", "malformed_message", None),
]


def test_report_shows_each_kind_of_refusal_once(shell: Shell, tmp_path: Path) -> None:
    rows = [row for row, _, _ in KINDS for _ in range(8)] + users(50)
    file = written(tmp_path / "users.jsonl", rows)
    first: Json = {}
    for _ in range(2):  # Again when the job is run again.
        code, out, err = shell.run("import", str(file), "--json")
        assert (code, err) == (1, "")
        done = json.loads(out)
        assert (done["created"], done["failed"]) == (50, 80)
        groups = done["report"]["refused"]
        assert sorted((each["code"], each.get("field") or "") for each in groups) == sorted(
            (code, field or "") for _, code, field in KINDS
        )
        assert [each["count"] for each in groups] == [8] * 10
        assert all(each["lines"] == list(range(each["lines"][0], each["lines"][0] + 5)) for each in groups)
        assert first in ({}, done["report"])
        first = done["report"]
    code, out, err = shell.run("import", str(file))
    assert out == "50 created, 0 updated, 0 skipped, 80 failed\n"
    for _, code, field in KINDS:
        assert err.count(f"{code} ({field}):" if field else f"{code}:") == (2 if field == "email" else 1)
    assert max(map(len, err.splitlines())) < 80


@pytest.mark.parametrize(
    ("sample", "count"),
    [("auth0-profile-oddities.jsonl", 5), ("keycloak-profile-oddities.json", 4), ("supabase-profile-oddities.json", 5)],
)
def test_import_of_odd_profiles_takes_every_user(
    shell: Shell, client: contract.Client, tmp_path: Path, sample: str, count: int
) -> None:
    file, _ = own_copy(sample, tmp_path)
    kept = tmp_path / "results.jsonl"
    done = shell.json("import", str(file), "--from", sample.partition("-")[0], "--results", str(kept))
    assert (done["created"], done["failed"]) == (count, 0)
    told = done["report"]["changed"]
    assert sum(each["count"] for each in told if each["field"].startswith("profile.")) == count
    client.see_latest()
    for each in results(kept):
        (change,) = [each for each in each["changed"] if each["field"].startswith("profile.")]
        key = change["message"].rpartition(" ")[2]
        assert key in client.auth.users.get(each["userId"]).app_metadata


def test_import_counts_rows_that_are_left_out(shell: Shell, tmp_path: Path) -> None:
    rows: list[Json] = [{"id": name(), "enabled": True, "credentials": [], "email": each["email"]} for each in users(2)]
    rows[1]["serviceAccountClientId"] = "client"
    file = tmp_path / "realm.json"
    file.write_text(json.dumps({"users": rows}), "utf-8")
    kept = tmp_path / "results.jsonl"
    for _ in range(2):
        done = shell.json("import", str(file), "--from", "keycloak", "--results", str(kept))
        assert done["leftOut"] == 1
        (group,) = done["report"]["leftOut"]
        assert (group["message"], group["count"]) == ("a service account, which is a client and no user", 1)
        (row,) = [each for each in results(kept) if each["status"] == "left_out"]
        assert row == {"line": group["lines"][0], "status": "left_out", "message": group["message"]}
    _, out, err = shell.run("import", str(file), "--from", "keycloak")
    assert out.endswith("0 failed, 1 left out\n")
    assert "left out:" in err


def test_import_names_fields_that_are_not_taken(shell: Shell, tmp_path: Path) -> None:
    rows = [
        {"user_id": f"auth0|{name()}", "email": each["email"], "last_ip": "", "strange_field": "canary"}
        for each in users(7)
    ]
    file = written(tmp_path / "users.jsonl", rows)
    kept = tmp_path / "results.jsonl"
    done = shell.json("import", str(file), "--from", "auth0", "--results", str(kept))
    assert done["report"]["notTaken"] == [{"field": "strange_field", "count": 7, "lines": [1, 2, 3, 4, 5]}]
    assert [each["notTaken"] for each in results(kept)] == [["strange_field"]] * 7
    _, out, err = shell.run("import", str(file), "--from", "auth0")
    assert "       7  strange_field (lines 1, 2, 3, 4, 5, ...)" in err.splitlines()
    assert "canary" not in out + err + kept.read_text("utf-8")


@pytest.mark.parametrize("content", [b"", b"email\n", b"\n\n"])
def test_import_of_an_empty_file_says_no_rows(shell: Shell, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "empty.csv"
    file.write_bytes(content)
    code, out, err = shell.run("import", str(file))
    assert (code, out) == (1, "0 created, 0 updated, 0 skipped, 0 failed\n")
    assert err == f"{file} has no rows\n"
    code, out, err = shell.run("import", str(file), "--json")
    assert (code, json.loads(out)["created"]) == (1, 0)
    assert json.loads(err) == {"error": {"code": "failed", "message": f"{file} has no rows"}}


def test_refused_file_with_json_is_json(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("<html>")
    code, out, err = shell.run("import", str(file), "--json")
    assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "file_refused")


@pytest.mark.parametrize(("verified", "statuses"), [("all", "AAA"), ("none", "PPP"), ("as-given", "APP")])
def test_import_verified_decides_on_all_addresses(
    shell: Shell, client: contract.Client, tmp_path: Path, verified: str, statuses: str
) -> None:
    rows = users(3)
    rows[0]["emailVerified"], rows[1]["emailVerified"] = True, False
    file, kept = written(tmp_path / "users.jsonl", rows), tmp_path / "results.jsonl"
    done = shell.json("import", str(file), "--verified", verified, "--results", str(kept))
    assert done["created"] == 3
    client.see_latest()
    shown = [client.auth.users.get(each["userId"]) for each in results(kept)]
    assert "".join(user.status[0] for user in shown) == statuses
    assert [user.email_verified for user in shown] == [status == "A" for status in statuses]
    changed = sum(each["count"] for each in done["report"]["changed"])
    assert changed == {"all": 2, "none": 1, "as-given": 0}[verified]


def test_hostile_field_names_reach_no_terminal(shell: Shell, tmp_path: Path) -> None:
    odd = ["\x1b[31mred\x1b[0m", "a\u202eb", "ada@canary.example", "+43 660 1234567", "x" * 1_000_000, "\u2028", "a\nb"]
    theirs: list[Json | bytes] = [
        {
            "user_id": f"auth0|{name()}",
            "last_ip": "x",
            "identities": [{"provider": "x", "user_id": name(), key: 1}],
            **each,
        }
        for each, key in zip(users(len(odd)), odd, strict=True)
    ]
    ours: list[Json | bytes] = [
        {"email": each["email"], key: "canary"} for each, key in zip(users(6), odd[:2] + odd[3:], strict=True)
    ]
    for rows, more in ((theirs, ["--from", "auth0"]), (ours, [])):
        file, kept = written(tmp_path / "users.jsonl", rows), tmp_path / "results.jsonl"
        _, out, err = shell.run("import", str(file), "--dry-run", "--results", str(kept), *more)
        shown = out + err
        assert "(a name that is not shown)" in shown
        assert all(character.isprintable() or character == "\n" for character in shown)
        assert "canary" not in shown
        assert "x" * 64 not in shown
        assert max(len(line) for line in shown.splitlines() if str(kept) not in line) < 80


def test_import_killed_midway_reports_everything_when_run_again(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
    rows: list[Json | bytes] = []
    for number, each in enumerate(users(4000)):
        rows.append(each)
        if number % 40 == 0:
            rows += [{"email": "bad"}, b"{broken"]
    file = written(tmp_path / "users.jsonl", rows)
    job = name()
    began = shell.start("import", str(file), "--import-id", job)
    with contract.Client(denizen.nats_url) as opened:
        transport = opened._client._transport  # pyright: ignore[reportPrivateUsage]

        def chunks() -> bool:
            status = opened._thread.run(transport.command("ImportStatus", {"importId": job}, {}))  # pyright: ignore[reportPrivateUsage]
            return len(status["failedChunks"]) >= 2

        eventually(chunks, 60, "two chunks")
    began.kill()
    began.communicate()
    for _ in range(2):
        code, out, _ = shell.run("import", str(file), "--import-id", job, "--json")
        done = json.loads(out)
        assert (code, done["created"], done["failed"]) == (1, 4000, 200)
        assert [(each["code"], each["count"]) for each in done["report"]["refused"]] == [
            ("validation_failed", 100),
            ("malformed_message", 100),
        ]
        assert [each["lines"] for each in done["report"]["refused"]] == [[2, 44, 86, 128, 170], [3, 45, 87, 129, 171]]


def test_two_imports_of_one_job_at_once_report_the_same(shell: Shell, tmp_path: Path) -> None:
    rows = [row for each in users(1500) for row in (each, {"email": "bad"})]
    file, job = written(tmp_path / "users.jsonl", rows), name()
    running = [shell.start("import", str(file), "--import-id", job, "--json") for _ in range(2)]
    for each in running:
        out, err = each.communicate(timeout=120)
        done = json.loads(out)
        assert (each.returncode, done["created"], done["failed"], err) == (1, 1500, 1500, "")
        assert [group["count"] for group in done["report"]["refused"]] == [1500]


def test_file_that_changes_during_its_import_is_reported(shell: Shell, tmp_path: Path) -> None:
    rows = users(100, password=PASSWORD)
    file, kept = written(tmp_path / "users.jsonl", rows), tmp_path / "results.jsonl"
    began = shell.start("import", str(file), "--results", str(kept))
    eventually(lambda: kept.exists() and kept.stat().st_size > 0, what="the file of results")
    with file.open("ab") as more:
        more.write(b'{"email": "bad"}\n')
    _, err = began.communicate(timeout=60)
    assert began.returncode == 1
    assert f"{file} changed during the import" in err


def test_file_that_changes_between_two_runs_is_refused_or_whole(shell: Shell, tmp_path: Path) -> None:
    rows, job = [*users(1200), {"email": "bad"}], name()
    file = written(tmp_path / "users.jsonl", rows)
    assert shell.run("import", str(file), "--import-id", job)[0] == 1
    written(file, [*rows[:1200], {"email": "bad", "externalId": "x"}])
    code, out, err = shell.run("import", str(file), "--import-id", job)
    assert (code, out) == (1, "")
    assert "name another job" in err


def test_report_on_a_narrow_terminal_fits_it(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path / "users.jsonl", [{"email": "bad"}, {"email": "a@example.com", "foo": 1}])
    code, shown = shell.on_terminal("import", str(file), "--dry-run", columns=80)
    assert code == 1
    assert "refused:" in shown
    assert max(len(line.rstrip()) for line in shown.splitlines() if "\x1b" not in line) < 80


def test_line_of_results_hides_a_name_that_may_be_data() -> None:
    for field, shown in (("ann@example.com", "(a name that is not shown)"), ("profile.picture", "profile.picture")):
        error = ErrorBody(code="validation_failed", message="is not a known field", field=field)
        assert line_of(ImportResult(1, "failed", error=error))["field"] == shown

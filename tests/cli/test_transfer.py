"""`denizen import` and `denizen export` as people type them."""

import csv
import gzip
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import denizen as contract
import pytest

from tests.cli.test_commands import Shell
from tests.support.servers import REPOSITORY, Denizen, eventually
from tests.transfer.support import HASHES, PASSWORD, Json, name
from tests.transfer.test_imports import TOO_DEAR


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


@pytest.fixture
def client(denizen: Denizen) -> Iterator[contract.Client]:
    with contract.Client(denizen.nats_url) as opened:
        yield opened


def users(count: int, **more: Any) -> list[Json]:
    job = name()
    return [{"email": f"{job}.{number}@example.com", "metadata": {"n": number}, **more} for number in range(count)]


def written(path: Path, rows: Sequence[Json | bytes]) -> Path:
    """A file of JSONL."""
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows) + b"\n")
    return path


def results(path: Path) -> list[Json]:
    """Of a file of results, without its first line."""
    head, *lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert "importId" in head
    return lines


def test_a_file(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    rows = users(3, passwordHash=HASHES[0], emailVerified=True)
    file = written(tmp_path / "users.jsonl", rows)
    code, out, err = shell.run("import", str(file), "--dry-run")
    assert (code, out, err) == (0, "3 created, 0 updated, 0 skipped, 0 failed (nothing was changed)\n", "")
    with pytest.raises(contract.UserNotFound):
        client.auth.users.get_by_email(rows[0]["email"])
    code, out, err = shell.run("import", str(file))
    assert (code, out, err) == (0, "3 created, 0 updated, 0 skipped, 0 failed\n", "")
    assert client.auth.sessions.authenticate(email=rows[2]["email"], password=PASSWORD).user.email == rows[2]["email"]
    # The same file is the same job.
    done = shell.json("import", str(file))
    assert (done["created"], done["failed"], done["before"]) == (3, 0, 3)
    code, out, err = shell.run("import", str(file))
    assert (code, "by an earlier run" in err) == (0, True)
    # To be taken in another way it is another.
    done = shell.json("import", str(file), "--on-conflict", "skip")
    assert (done["skipped"], done["before"]) == (3, 0)
    code, out, _ = shell.run("import", str(file), "--json", "--import-id", name())
    assert (code, json.loads(out)["failed"]) == (1, 3)


BAD_LINES: dict[str, tuple[Json | bytes, str, str | None]] = {
    "bad JSON": (b'{"email": canary}', "malformed_message", None),
    "cut off": (b'{"email": "canary', "malformed_message", None),
    "no object": (b'["canary"]', "malformed_message", None),
    "wrong encoding": ('{"email": "canary@m\u00fcller.example"}'.encode("latin-1"), "malformed_message", None),
    "NUL": (b'{"email": "canary\x00@example.com"}', "malformed_message", None),
    "NUL, escaped": (b'{"email": "canary\\u0000@example.com"}', "malformed_message", None),
    "a line of 10 MB": (b'{"email": "' + b"canary" * 1_700_000 + b'"}', "malformed_message", None),
    "a row that no message holds": ({"email": "canary", "metadata": {"a": "x" * 900_000}}, "malformed_message", None),
    "a key twice": (b'{"email": "a@example.com", "email": "canary"}', "malformed_message", None),
    "missing field": ({"externalId": "canary"}, "validation_failed", "email"),
    "bad e-mail": ({"email": "canary@"}, "validation_failed", "email"),
    "bad hash": ({"email": "a@example.com", "passwordHash": "canary"}, "validation_failed", "passwordHash"),
    "hostile hash parameters": (
        {"email": "a@example.com", "passwordHash": TOO_DEAR}, "validation_failed", "passwordHash"
    ),
    "weak password": ({"email": "a@example.com", "password": "password1"}, "weak_password", "password"),
    "unknown field": ({"email": "a@example.com", "canary": 1}, "validation_failed", "canary"),
    "control characters": (
        {"email": "a@example.com", "profile": {"firstName": "\u0007"}}, "validation_failed", "profile.firstName"
    ),
}  # fmt: skip


def test_every_kind_of_bad_row(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    (taken,) = users(1, externalId=name())
    client.auth.users.import_users([taken])
    good = users(len(BAD_LINES) + 4, profile={"firstName": '=HYPERLINK("http://evil.example")'})
    more: list[tuple[Json | bytes, str, str | None]] = [
        ({"email": taken["email"].upper()}, "email_taken", "email"),
        ({**users(1)[0], "externalId": taken["externalId"]}, "external_id_taken", "externalId"),
        ({"email": good[0]["email"]}, "email_taken", "email"),
    ]
    bad = [*BAD_LINES.values(), *more]
    lines = [row for pair in zip(good, [each[0] for each in bad], strict=False) for row in pair] + good[len(bad) :]
    file = written(tmp_path / "users.jsonl", lines)
    for option in ([], ["--dry-run"]):
        kept = tmp_path / f"results{len(option)}.jsonl"
        arguments = ["import", str(file), "--results", str(kept), *option]
        if option:
            # As for real, but for those who are in by now.
            arguments += ["--on-conflict", "skip"]
        code, out, err = shell.run(*arguments)
        assert code == 1
        assert "canary" not in (out + err).replace("(canary)", "")
        assert "evil" not in out + err
        found = results(kept)
        assert [each["line"] for each in found] == list(range(1, len(lines) + 1))
        failed = [(each["code"], each.get("field")) for each in found if each["status"] == "failed"]
        assert failed == [(code, field) for _, code, field in (bad if not option else list(BAD_LINES.values()))]
        for each in found:
            assert set(each) <= {"line", "status", "userId", "code", "message", "field"}
            assert HASHES[0] not in json.dumps(each)
    users_in = {each["userId"] for each in results(tmp_path / "results0.jsonl") if each["status"] == "created"}
    assert len(users_in) == len(good)
    assert client.auth.users.get_by_email(good[-1]["email"]).profile.first_name == '=HYPERLINK("http://evil.example")'


def test_bad_records_of_csv(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    good = users(4)
    lines = [
        "email,profile.lastName,emailVerified,metadata.plan",
        f'{good[0]["email"]},"O""Neil, jr",true,\'=1+1',
        "canary@example.com,one column too few,true",
        f"{good[1]['email']},,,",
        '"canary@example.com,an open quote,true,x',
        f"{good[2]['email']},'-x,false,pro",
        ",no address,true,x",
        "canary@example.com,x,maybe,x",
        f'{good[3]["email"]},"two\nlines",true,x',
    ]
    file = tmp_path / "users.csv"
    file.write_text("\r\n".join(lines) + "\r\n", "utf-8-sig", newline="")
    kept = tmp_path / "results.jsonl"
    code, _, err = shell.run("import", str(file), "--results", str(kept))
    assert code == 1, err
    assert [(each["line"], each.get("code")) for each in results(kept)] == [
        (2, None),
        (3, "malformed_message"),
        (4, None),
        (5, "malformed_message"),
        (6, None),
        (7, "validation_failed"),
        (8, "validation_failed"),
        (9, "validation_failed"),
    ]
    found = client.auth.users.get_by_email(good[0]["email"])
    assert (found.profile.last_name, found.metadata, found.status) == ('O"Neil, jr', {"plan": "=1+1"}, "ACTIVE")
    assert client.auth.users.get_by_email(good[2]["email"]).profile.last_name == "-x"


def test_a_header_that_lacks_the_address(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("externalId,profile.firstName\n1,Ada\n")
    code, out, err = shell.run("import", str(file))
    assert (code, out) == (1, "0 created, 0 updated, 0 skipped, 1 failed\n")
    assert "line 1: validation_failed" in err


def test_standard_input_and_gzip(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    rows = users(2)
    packed = gzip.compress(json.dumps(rows).encode())
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "import", "-", "--json"],
        cwd=REPOSITORY,
        env=shell.environment,
        input=packed,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["created"]) == (0, 2), done.stderr
    file = tmp_path / "users.json.gz"
    file.write_bytes(packed)
    assert shell.json("import", str(file), "--on-conflict", "update")["updated"] == 2


def test_from_another_system(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    address = users(1)[0]["email"]
    row = {"email": address, "email_verified": True, "user_id": f"auth0|{name()}", "passwordHash": HASHES[0]}
    file = written(tmp_path / "export.json", [row])
    assert shell.json("import", str(file), "--from", "auth0")["created"] == 1
    assert client.auth.sessions.authenticate(email=address, password=PASSWORD).user.external_id == row["user_id"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["import", "nowhere.jsonl"],
        ["import", "-", "--from", "nobody"],
        ["import", "-", "--format", "xml"],
        ["import", "-", "--on-conflict", "merge"],
        ["export", "--format", "xml"],
        ["export", "--status", "GONE"],
        ["export", "--created-after", "yesterday"],
    ],
)
def test_wrong_usage(shell: Shell, arguments: list[str]) -> None:
    code, out, _ = shell.run(*arguments)
    assert (code, out) == (2, "")


def test_ctrl_c_stops_it_and_it_goes_on_from_there(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
    # Passwords, for they take their time.
    rows = users(150, password=PASSWORD)
    file = written(tmp_path / "users.jsonl", rows)
    kept = tmp_path / "results.jsonl"
    began = shell.start("import", str(file), "--results", str(kept))
    job = eventually(lambda: _job(kept), what="the file of results")
    with contract.Client(denizen.nats_url) as client:
        transport = client._client._transport  # pyright: ignore[reportPrivateUsage]

        def first_chunk() -> bool:
            status = client._thread.run(transport.command("ImportStatus", {"importId": job}, {}))  # pyright: ignore[reportPrivateUsage]
            return bool(status["chunks"])

        eventually(first_chunk, 30, "a chunk")
        began.send_signal(signal.SIGINT)
        out, err = began.communicate(timeout=10)
        assert (began.returncode, out, err) == (1, "", "stopped; the same command goes on from there\n")
        done = shell.json("import", str(file), "--results", str(kept))
        assert done["created"] == 150
        assert done["before"] >= 25
        assert [each["line"] for each in results(kept)] == list(range(1, 151))
    assert len({each["userId"] for each in results(kept)}) == 150


def _job(kept: Path) -> str | None:
    lines = kept.read_bytes().splitlines() if kept.exists() else []
    return str(json.loads(lines[0])["importId"]) if lines else None


def test_ctrl_c_while_standard_input_is_silent(shell: Shell) -> None:
    began = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "import", "-"],
        cwd=REPOSITORY,
        env=shell.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert began.stdin is not None

    def waiting() -> bool:
        # It has begun once there is the thread of its event loop, and the one that reads.
        tasks = Path(f"/proc/{began.pid}/task")
        return len(list(tasks.iterdir())) >= 3

    eventually(waiting, what="the import")
    began.send_signal(signal.SIGINT)
    assert began.wait(10) == 1
    assert began.stderr is not None
    assert began.stderr.read() == b"stopped\n"
    for each in (began.stdin, began.stdout, began.stderr):
        assert each is not None
        each.close()


def test_results_of_another_job_are_written_anew(shell: Shell, tmp_path: Path) -> None:
    kept = tmp_path / "results.jsonl"
    for count in (5, 2):
        file = written(tmp_path / f"{count}.jsonl", users(count))
        shell.json("import", str(file), "--results", str(kept))
        assert len(results(kept)) == count
    # What a kill left of a line is not kept.
    kept.write_bytes(kept.read_bytes()[:-10])
    shell.json("import", str(tmp_path / "2.jsonl"), "--results", str(kept))
    assert [each["line"] for each in results(kept)] == [1, 2]


def test_an_export_in_each_form(shell: Shell, tmp_path: Path) -> None:
    tag = name()
    rows = users(3, emailVerified=True, appMetadata={"tag": tag}, profile={"firstName": "=1+1"})
    file = written(tmp_path / "users.jsonl", rows)
    assert shell.json("import", str(file))["created"] == 3
    wanted = {row["email"] for row in rows}

    def exported(*arguments: str) -> str:
        """As soon as the projections have them."""

        def there() -> str | None:
            code, out, err = shell.run("export", *arguments)
            assert code == 0, err
            assert "as of log position" in err
            return out if out.count(tag) >= 3 else None

        return str(eventually(there, what="the users"))

    fields = ("--fields", "email,profile.firstName,appMetadata.tag")
    for form in ("jsonl", "json"):
        text = exported("--format", form, *fields)
        found: list[Json] = json.loads(text) if form == "json" else [json.loads(line) for line in text.splitlines()]
        mine = [each for each in found if each["appMetadata"].get("tag") == tag]
        assert {each["email"] for each in mine} == wanted
        assert mine[0] == {"email": mine[0]["email"], "profile": {"firstName": "=1+1"}, "appMetadata": {"tag": tag}}
    for more, first_name in (((), "'=1+1"), (("--raw",), "=1+1")):
        head, *records = csv.reader(io.StringIO(exported("--format", "csv", *fields, *more), newline=""))
        assert head == ["email", "profile.firstName", "appMetadata.tag"]
        assert {each[0] for each in records if each[2] == tag} == wanted
        assert {each[1] for each in records if each[2] == tag} == {first_name}
    output = tmp_path / "users.csv"
    code, out, err = shell.run("export", "--output", str(output), "--format", "csv", "--status", "ACTIVE", "--json")
    assert (code, out) == (0, "")
    assert json.loads(err)["octets"] == output.stat().st_size
    assert "PENDING_VERIFICATION" not in output.read_text("utf-8")
    assert shell.run("export", "--created-after", "2999-01-01")[1] == ""


def test_a_refused_export_leaves_the_file_alone(shell: Shell, tmp_path: Path) -> None:
    output = tmp_path / "users.csv"
    output.write_text("yesterday's")
    code, _, err = shell.run("export", "--output", str(output), "--fields", "id,passwordHash")
    assert (code, err.partition(":")[0]) == (1, "forbidden")
    assert output.read_text() == "yesterday's"


def test_an_operator_exports_hashes(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
    (row,) = users(1, passwordHash=HASHES[1])
    with contract.Client(denizen.nats_url) as client:
        client.auth.users.import_users([row])
        client.auth.users.get_by_email(row["email"])
    code, out, err = shell.run("export", "--fields", "email", "--with-hashes")
    assert code == 0, err
    found = {each["email"]: each["passwordHash"] for each in map(json.loads, out.splitlines())}
    assert found[row["email"]] == HASHES[1]
    code, out, err = shell.run("export")
    assert code == 0
    assert HASHES[1] not in out

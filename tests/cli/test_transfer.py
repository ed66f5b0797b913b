"""`denizen import` and `denizen export` as people type them."""

import csv
import gzip
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import denizen as contract
import pytest

from tests.cli.test_commands import Shell
from tests.support import forked
from tests.support.servers import REPOSITORY, Denizen, eventually
from tests.transfer.support import HASHES, PASSWORD, Json, name
from tests.transfer.test_imports import TOO_DEAR

SAMPLES = REPOSITORY / "tests" / "importing" / "samples"


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


def test_import_of_a_file_creates_its_users(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    rows = users(3, passwordHash=HASHES[0], emailVerified=True)
    file = written(tmp_path / "users.jsonl", rows)
    code, out, err = shell.run("import", str(file), "--dry-run")
    assert (code, out) == (0, "3 created, 0 updated, 0 skipped, 0 failed (nothing was changed)\n")
    assert "3  passwordHash: a weak hash (bcrypt)" in err
    with pytest.raises(contract.UserNotFound):
        client.auth.users.get_by_email(rows[0]["email"])
    code, out, err = shell.run("import", str(file))
    assert (code, out) == (0, "3 created, 0 updated, 0 skipped, 0 failed\n")
    assert "import id: " in err
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
    "an identity twice": (
        {"email": "a@example.com", "identities": [{"provider": "x", "providerId": "canary"}] * 2},
        "validation_failed", "identities",
    ),
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


def test_import_reports_every_kind_of_bad_row(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
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
    # A file in UTF-8, of which one line is damaged.
    lines[0] = json.dumps({**good[0], "metadata": {"n": "\u00fc"}}, ensure_ascii=False).encode()
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
    client.see_latest()
    assert client.auth.users.get_by_email(good[-1]["email"]).profile.first_name == '=HYPERLINK("http://evil.example")'


def test_import_reports_bad_records_of_csv(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
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
    client.see_latest()
    found = client.auth.users.get_by_email(good[0]["email"])
    assert (found.profile.last_name, found.metadata, found.status) == ('O"Neil, jr', {"plan": "=1+1"}, "ACTIVE")
    assert client.auth.users.get_by_email(good[2]["email"]).profile.last_name == "-x"


def test_import_of_csv_without_an_email_column_is_refused(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("externalId,profile.firstName\n1,Ada\n")
    code, out, err = shell.run("import", str(file))
    assert (code, out) == (1, "0 created, 0 updated, 0 skipped, 1 failed\n")
    assert "validation_failed" in err


def test_import_reads_standard_input_and_gzip(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    rows = users(2)
    packed = gzip.compress(json.dumps(rows).encode())
    done = subprocess.run(
        forked.denizen("import", "-", "--json"),
        cwd=REPOSITORY,
        env=shell.environment,
        input=packed,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["created"]) == (0, 2), done.stderr
    file = tmp_path / "users.json.gz"
    file.write_bytes(packed)
    assert shell.json("import", str(file), "--on-conflict", "update")["updated"] == 2


def test_import_from_another_system_creates_its_users(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    address = users(1)[0]["email"]
    row = {"email": address, "email_verified": True, "user_id": f"auth0|{name()}", "passwordHash": HASHES[0]}
    file = written(tmp_path / "export.json", [row])
    assert shell.json("import", str(file), "--from", "auth0")["created"] == 1
    assert client.auth.sessions.authenticate(email=address, password=PASSWORD).user.external_id == row["user_id"]


@pytest.mark.parametrize(
    "sample", ["auth0.jsonl", "keycloak.json", "supabase.csv", "clerk.csv", "django.csv", "firebase.json"]
)
def test_imported_users_of_each_preset_can_sign_in(
    shell: Shell, client: contract.Client, tmp_path: Path, sample: str
) -> None:
    """The sample as it is, but for the domain, and the id at Google, which several have."""
    tag = name()
    content = (SAMPLES / sample).read_text("utf-8")
    file = tmp_path / sample
    file.write_text(content.replace("example.com", f"{tag}.example").replace("113000000000000000001", tag), "utf-8")
    system = sample.partition(".")[0]
    more = ["--hash-config", str(SAMPLES / "firebase-hash-config.txt")] if system == "firebase" else []
    code, out, err = shell.run("import", str(file), "--from", system, *more, "--json")
    done = json.loads(out)
    bad = 1 if system == "firebase" else 0  # A user without an address.
    assert (code, done["failed"], done["created"] >= 6) == (bad, bad, True), err
    ada = f"ada@{tag}.example"
    signed_in = client.auth.sessions.authenticate(email=ada, password="ada's password").user
    assert (signed_in.email, signed_in.external_id is not None) == (ada, True)
    with pytest.raises(contract.InvalidCredentials):
        client.auth.sessions.authenticate(email=ada, password="another password")
    if system == "firebase":  # The user that Firebase itself made: the example of github.com/firebase/scrypt.
        client.auth.sessions.authenticate(email=f"user1@{tag}.example", password="user1password")


@pytest.mark.parametrize("content", [b"", b"algorithm: BCRYPT", b"base64_signer_key: canary", b"\xff"])
def test_import_with_malformed_hash_parameters_is_refused(shell: Shell, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config.txt"
    file.write_bytes(content)
    code, out, err = shell.run("import", "-", "--from", "firebase", "--hash-config", str(file))
    assert (code, out) == (2, "")
    assert "hash parameters" in err or "UTF-8" in err
    assert "canary" not in err


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_import_of_a_truncated_gzip_says_so(shell: Shell, tmp_path: Path, kept: float) -> None:
    whole = gzip.compress("".join(json.dumps(each) + "\n" for each in users(2000)).encode())
    file = tmp_path / "users.jsonl.gz"
    file.write_bytes(whole[: int(len(whole) * kept)])
    code, out, err = shell.run("import", str(file), "--dry-run")
    assert (code, out, err) == (1, "", f"{file} cannot be read: the gzip data is damaged or cut off\n")


def test_import_reads_a_pipe(shell: Shell) -> None:
    """As `denizen import <(…)` has it."""
    reading, writing = os.pipe()
    began = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "import", f"/dev/fd/{reading}", "--json"],
        cwd=REPOSITORY,
        env=shell.environment,
        pass_fds=[reading],
        stdout=subprocess.PIPE,
    )
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(gzip.compress(json.dumps(users(1)[0]).encode()))
    out, _ = began.communicate(timeout=60)
    assert (began.returncode, json.loads(out)["created"]) == (0, 1)


def test_import_of_another_file_under_a_used_id_is_refused(shell: Shell, tmp_path: Path) -> None:
    job = name()
    one, other = (written(tmp_path / f"{number}.jsonl", users(2)) for number in (1, 2))
    assert shell.json("import", str(one), "--import-id", job)["created"] == 2
    code, out, err = shell.run("import", str(other), "--import-id", job)
    assert (code, out) == (1, "")
    assert "name another job" in err
    assert shell.json("import", str(one), "--import-id", job)["before"] == 2


def test_results_overwrite_nothing_but_results(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path / "users.jsonl", users(30))
    content = file.read_bytes()
    link = tmp_path / "link.jsonl"
    link.symlink_to(file)
    note = tmp_path / "note.txt"
    note.write_text("{}")
    for results, sentence in (
        (file, "is the file of users itself"),
        (link, "is the file of users itself"),
        (note, "no results of an import"),
        (tmp_path / "missing" / "results.jsonl", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        code, out, err = shell.run("import", str(file), "--dry-run", "--results", str(results))
        assert (code, out) == (2, "")
        assert sentence in " ".join(err.replace("│", " ").split())
    assert (file.read_bytes(), note.read_text()) == (content, "{}")
    (tmp_path / "empty").touch()
    assert shell.run("import", str(file), "--dry-run", "--results", str(tmp_path / "empty"))[0] == 0
    assert shell.run("import", str(file), "--dry-run", "--results", "/dev/null")[0] == 0


def test_import_says_where_all_bad_rows_are(shell: Shell, tmp_path: Path) -> None:
    file, kept = written(tmp_path / "users.jsonl", [{"email": "bad"}] * 25), tmp_path / "results.jsonl"
    assert "--results FILE keeps the result of every row" in shell.run("import", str(file), "--dry-run")[2]
    _, _, err = shell.run("import", str(file), "--dry-run", "--results", str(kept))
    assert f"{kept} has the result of every row" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["import", "nowhere.jsonl"],
        ["import", "-", "--from", "nobody"],
        ["import", "-", "--format", "xml"],
        ["import", "-", "--on-conflict", "merge"],
        ["import", "-", "--from", "firebase", "--hash-config", "nowhere.txt"],
        ["export", "--format", "xml"],
        ["export", "--format", "jsonl", "--bom"],
        ["import", "users.csv", "--without-hashes", "some"],
        ["export", "--status", "GONE"],
        ["export", "--created-after", "yesterday"],
    ],
)
def test_import_and_export_refuse_wrong_usage(shell: Shell, arguments: list[str]) -> None:
    code, out, _ = shell.run(*arguments)
    assert (code, out) == (2, "")


def test_import_stopped_by_ctrl_c_resumes(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
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
        out, err = began.communicate(timeout=60)
        assert (began.returncode, out, err) == (1, "", "stopped; the same command goes on from there\n")
        done = shell.json("import", str(file), "--results", str(kept))
        assert done["created"] == 150
        assert done["before"] >= 25
        assert [each["line"] for each in results(kept)] == list(range(1, 151))
    assert len({each["userId"] for each in results(kept)}) == 150


def _job(kept: Path) -> str | None:
    lines = kept.read_bytes().splitlines() if kept.exists() else []
    return str(json.loads(lines[0])["importId"]) if lines else None


def test_import_stops_by_ctrl_c_while_standard_input_is_silent(shell: Shell) -> None:
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
    assert began.wait(60) == 1
    assert began.stderr is not None
    assert began.stderr.read() == b"stopped\n"
    for each in (began.stdin, began.stdout, began.stderr):
        assert each is not None
        each.close()


def test_results_of_another_job_are_replaced(shell: Shell, tmp_path: Path) -> None:
    kept = tmp_path / "results.jsonl"
    for count in (5, 2):
        file = written(tmp_path / f"{count}.jsonl", users(count))
        shell.json("import", str(file), "--results", str(kept))
        assert len(results(kept)) == count
    # What a kill left of a line is not kept.
    kept.write_bytes(kept.read_bytes()[:-10])
    shell.json("import", str(tmp_path / "2.jsonl"), "--results", str(kept))
    assert [each["line"] for each in results(kept)] == [1, 2]


def test_export_writes_each_format(shell: Shell, tmp_path: Path) -> None:
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
    whole = exported("--format", "csv", "--bom", *fields)
    assert whole.startswith("\ufeffemail,profile.firstName,appMetadata.tag")
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
    address = rows[1]["email"]
    assert json.loads(shell.run("export", "--search", address.upper(), "--fields", "email")[1]) == {"email": address}


def test_refused_export_leaves_the_file_unchanged(shell: Shell, tmp_path: Path) -> None:
    output = tmp_path / "users.csv"
    output.write_text("yesterday's")
    code, _, err = shell.run("export", "--output", str(output), "--fields", "id,passwordHash")
    assert (code, err.partition(":")[0]) == (1, "forbidden")
    assert output.read_text() == "yesterday's"
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.slow
def test_export_that_fails_leaves_the_file_unchanged(own_denizen: Denizen, tmp_path: Path) -> None:
    shell = Shell(own_denizen.home)
    with contract.Client(own_denizen.nats_url) as client:
        client.auth.users.import_users(users(1_500, metadata={"text": "x" * 8_000}))
    output, pipe = tmp_path / "users.jsonl", tmp_path / "pipe"
    output.write_text("yesterday's")
    others = tmp_path / "users.jsonl.part"
    others.write_text("another's")
    os.mkfifo(pipe)

    def parts() -> list[Path]:
        return list(tmp_path.glob("users.jsonl.*.part"))

    # A reader that reads nothing holds the export up after its first pieces.
    held = shell.start("export", "--json", "-o", str(pipe))
    reading = os.open(pipe, os.O_RDONLY)
    assert os.read(reading, 1)
    own_denizen.kill("transfer")
    with os.fdopen(reading, "rb") as rest:
        rest.read()
    _, err = held.communicate(timeout=60)
    assert held.returncode == 1
    assert json.loads(err)["error"]["message"].endswith("start it again")
    assert pipe.is_fifo()
    held = shell.start("export", "-o", str(output))
    eventually(lambda: any(part.stat().st_size > 100 for part in parts()), what="a part of the file")
    held.send_signal(signal.SIGINT)
    assert held.wait(30) != 0
    held.communicate()
    assert output.read_text() == "yesterday's"
    assert others.read_text() == "another's"
    assert parts() == []


def test_export_to_an_unwritable_path_says_so(shell: Shell, tmp_path: Path) -> None:
    for output in (tmp_path / "nowhere" / "users.csv", tmp_path):
        code, out, err = shell.run("export", "-o", str(output))
        assert (code, out) == (2, "")
        assert "--output" in err
        assert "Traceback" not in err
    code, _, err = shell.run("export", "--format", "csv", "-o", "/dev/full")
    assert (code, "/dev/full cannot be written" in err) == (1, True)
    assert Path("/dev/full").is_char_device()


def in_shell(shell: Shell, command: str) -> tuple[int, str, str]:
    """Runs what a shell makes of a command; $DENIZEN in it is a program of its own, which has the shell's limits."""
    process = subprocess.run(
        ["/bin/bash", "-c", command.replace("$DENIZEN", f"{sys.executable} -m services.cli")],
        cwd=REPOSITORY,
        # Python does not notice that a limit has cut off the bytecode that it writes, and later programs would read it.
        env={**shell.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return process.returncode, process.stdout, process.stderr


def test_exports_that_fail_leave_no_part(shell: Shell, client: contract.Client) -> None:
    client.auth.users.import_users(users(1200, metadata={"text": "x" * 3000}))
    full = 'for n in 1 2 3; do $DENIZEN export > /dev/full; echo "$?"; done'
    code, out, err = in_shell(shell, full)
    assert (code, out) == (0, "1\n" * 3)
    assert err == "standard output cannot be written: No space left on device\n" * 3
    code, out, err = in_shell(shell, "for n in 1 2 3; do $DENIZEN export | head -c 1; done")
    assert (code, out, err) == (0, "{" * 3, "")
    assert shell.run("export", "--fields", "id")[0] == 0


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a NATS that never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"nats://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_export_leaves_no_part(denizen: Denizen, silent: str, tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "users.jsonl"
    began = Shell(denizen.home, DENIZEN_NATS_URL=silent).start("export", "--json", "-o", str(output))
    eventually(lambda: list(tmp_path.iterdir()), what="a part of the file")
    began.send_signal(number)
    out, err = began.communicate(timeout=60)
    assert (began.returncode, out, json.loads(err)["error"]["code"]) == (128 + number, "", "stopped")
    assert list(tmp_path.iterdir()) == []


def test_export_under_nohup_outlives_its_terminal(denizen: Denizen, silent: str, tmp_path: Path) -> None:
    shell = Shell(denizen.home, DENIZEN_NATS_URL=silent)
    began = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" HUP; exec "$0" -m services.cli export -o "$1"', sys.executable, tmp_path / "users"],
        cwd=REPOSITORY,
        env=shell.environment,
    )
    eventually(lambda: list(tmp_path.iterdir()), what="a part of the file")
    began.send_signal(signal.SIGHUP)
    began.send_signal(signal.SIGTERM)
    assert began.wait(60) == 128 + signal.SIGTERM


@pytest.mark.parametrize("count", [20, 400])
def test_results_and_exports_that_fill_the_disk_fail(shell: Shell, tmp_path: Path, count: int) -> None:
    """Of 20 rows they fail when the file is closed, of 400 before."""
    file = written(tmp_path / "users.jsonl", users(count))
    kept, output = tmp_path / "results.jsonl", tmp_path / "exported.jsonl"
    # A kilobyte at most.
    code, out, err = in_shell(shell, f"ulimit -f 1; $DENIZEN import {file} --results {kept}")
    assert (code, out, err) == (1, "", f"{kept} cannot be written: File too large\n")
    code, out, err = in_shell(shell, f"$DENIZEN import {file} --results /dev/full")
    assert (code, out, err) == (1, "", "/dev/full cannot be written: No space left on device\n")
    # With room for it, the same command completes the file.
    assert shell.json("import", str(file), "--results", str(kept))["created"] == count
    assert [each["line"] for each in results(kept)] == list(range(1, count + 1))
    code, out, err = in_shell(shell, f"ulimit -f 1; $DENIZEN export -o {output}")
    assert (code, out, err) == (1, "", f"{output} cannot be written: File too large\n")
    assert sorted(tmp_path.iterdir()) == [kept, file]


def test_commands_with_closed_streams_end_without_traceback(shell: Shell, tmp_path: Path) -> None:
    file = written(tmp_path / "users.jsonl", users(2))
    for command, what in (("import - <&-", "standard input"), ("export >&-", "standard output")):
        code, out, err = in_shell(shell, f"$DENIZEN {command}")
        assert (code, out) == (2, "")
        assert f"{what} is closed" in err
    for command in (f"import {file}", "export --fields id"):
        assert in_shell(shell, f"$DENIZEN {command} 2>&-")[0] == 0


def test_exported_file_keeps_mode_and_link(shell: Shell, tmp_path: Path) -> None:
    output, link = tmp_path / "users.jsonl", tmp_path / "link"
    link.symlink_to(output)
    shell.run("export", "--fields", "email", "--with-hashes", "-o", str(link))
    assert (link.is_symlink(), output.stat().st_mode & 0o777) == (True, 0o600)
    output.chmod(0o640)
    assert shell.run("export", "--fields", "email", "-o", str(link))[0] == 0
    assert (link.is_symlink(), output.stat().st_mode & 0o777) == (True, 0o640)
    assert sorted(tmp_path.iterdir()) == [link, output]


def test_export_on_a_terminal_shows_progress(shell: Shell, tmp_path: Path) -> None:
    code, shown = shell.on_terminal("export", "-o", str(tmp_path / "users.csv"), streams=["stderr"])
    assert code == 0
    assert "Exporting" in shown
    assert "octets, as of log position" in shown


def test_export_to_the_terminal_shows_users_without_a_bar(shell: Shell) -> None:
    code, shown = shell.on_terminal("export", "--format", "csv", "--fields", "id")
    assert (code, shown.splitlines()[0]) == (0, "id")


def test_refused_export_on_a_terminal_ends_its_bar_first(shell: Shell, tmp_path: Path) -> None:
    code, shown = shell.on_terminal(
        "export", "--fields", "foo", "-o", str(tmp_path / "users.jsonl"), streams=["stderr"]
    )
    assert code == 1
    bar, refusal = shown.split("validation_failed:")
    assert "there is no such field" in refusal
    assert "Exporting" not in refusal
    assert bar.endswith("\x1b[2K"), "the line of the bar is cleared"


def test_operator_exports_hashes(shell: Shell, denizen: Denizen, tmp_path: Path) -> None:
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

"""`import_users` and `export` of the client: any source, resumed where it stopped, results for every row."""

import asyncio
import io
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import denizen as contract
import psycopg
import pytest
import pytest_asyncio
from denizen.exporting import FilePiece
from denizen.import_results import ImportResult, ImportSummary
from denizen.transport import Transport
from nats.errors import NoRespondersError
from typeid import TypeID

from tests.support.backend import connected
from tests.support.quiet import takes_less_than
from tests.support.servers import Denizen, eventually
from tests.transfer.support import HASHES, PASSWORD, Json, name


@pytest_asyncio.fixture
async def client(denizen: Denizen) -> AsyncGenerator[contract.AsyncClient]:
    async with contract.AsyncClient(denizen.nats_url) as opened:
        yield opened


def users(count: int, **more: Any) -> list[Json]:
    job = name()
    return [{"email": f"{job}.{number}@example.com", **more} for number in range(count)]


def lines(rows: list[Any]) -> io.BytesIO:
    return io.BytesIO(b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows))


def counts(summary: ImportSummary) -> tuple[int, int, int, int]:
    return summary.created, summary.updated, summary.skipped, summary.failed


class Stop(Exception):
    """What a test stops an import by."""


async def test_results_come_in_the_order_of_the_source(client: contract.AsyncClient) -> None:
    last = users(1)
    rows = [*users(1100), b"{bad\n", {"email": "bad"}, *users(99), *last]
    told: list[ImportResult] = []
    progress: list[int] = []
    summary = await client.auth.users.import_users(
        lines(rows), on_result=told.append, on_progress=lambda summary: progress.append(summary.rows)
    )
    assert counts(summary) == (1200, 0, 0, 2)
    assert [each.line for each in told] == list(range(1, 1203))
    assert [(each.line, each.error and each.error.code) for each in told if each.status != "created"] == [
        (1101, "malformed_message"),
        (1102, "validation_failed"),
    ]
    assert progress == sorted(progress)
    assert progress[-1] == 1202
    assert [each.line for each in summary.results] == [1101, 1102]
    assert (await client.auth.users.get_by_email(last[0]["email"])).id == told[-1].user_id


async def test_import_takes_any_iterable(client: contract.AsyncClient) -> None:
    def made() -> Iterator[Json]:
        yield from users(3)
        yield {"email": float("nan")}

    summary = await client.auth.users.import_users(made())
    assert counts(summary) == (3, 0, 0, 1)
    assert [(each.line, each.status) for each in summary.results][-1] == (4, "failed")


async def test_failing_source_ends_the_import(client: contract.AsyncClient) -> None:
    def made() -> Iterator[Json]:
        yield from users(600)
        raise Stop

    with pytest.raises(Stop):
        await client.auth.users.import_users(made())


async def test_interrupted_import_continues(client: contract.AsyncClient, denizen: Denizen) -> None:
    rows = [*users(1700), b"{bad\n", *users(900)]
    job = name()
    told: list[ImportResult] = []

    def stop_at_half(result: ImportResult) -> None:
        if result.line == 1234:
            raise Stop
        told.append(result)

    with pytest.raises(Stop):
        await client.auth.users.import_users(lines(rows), import_id=job, on_result=stop_at_half)
    assert len(told) == 1233
    summary = await client.auth.users.import_users(lines(rows), import_id=job, on_result=told.append, told=1233)
    assert 1000 <= summary.before < 2600
    assert counts(summary) == (2600, 0, 0, 1)
    assert [each.line for each in told] == list(range(1, 2602))
    assert in_log(denizen, job) == 2600

    # Once more there is nothing to do; who asks is told it all again.
    again = await client.auth.users.import_users(lines(rows), import_id=job)
    assert (counts(again), again.before) == ((2600, 0, 0, 1), 2600)
    repeated: list[ImportResult] = []
    again = await client.auth.users.import_users(lines(rows), import_id=job, on_result=repeated.append)
    assert counts(again) == (2600, 0, 0, 1)
    assert repeated == told
    assert in_log(denizen, job) == 2600


async def test_other_source_under_a_used_import_id_is_refused(client: contract.AsyncClient, denizen: Denizen) -> None:
    rows, job = users(1300), name()
    await client.auth.users.import_users(rows, import_id=job)
    others = {
        "of others": users(1300),
        "with one more at its end": [*rows, *users(1)],
        "with one more in its middle": [*rows[:700], *users(1), *rows[700:]],
        "with one less": rows[:700] + rows[701:],
        "that ends in an earlier chunk": rows[:900],
        "that has no rows in its last one": [*rows[:1000], *[b"{bad\n"] * 300],
    }
    told: list[ImportResult] = []
    for each in others.values():
        for on_result in (None, told.append):
            with pytest.raises(contract.ValidationFailed, match="name another job") as refused:
                await client.auth.users.import_users(lines(each), import_id=job, on_result=on_result)
            assert refused.value.field == "importId"
    with pytest.raises(contract.ValidationFailed, match="name another job"):
        await client.auth.users.import_users(rows, import_id=job, on_conflict="skip")
    assert counts(await client.auth.users.import_users(rows, import_id=job)) == (1300, 0, 0, 0)
    assert in_log(denizen, job) == 1300


def in_log(denizen: Denizen, job: str) -> int:
    with psycopg.connect(denizen.database_url) as connection:
        row = connection.execute(
            "select count(*) from denizen.events where metadata ->> 'commandId' like %s", [f"import/{job}/%"]
        ).fetchone()
        assert row is not None
        return int(row[0])


async def test_results_of_an_array_on_one_line_are_numbered(client: contract.AsyncClient) -> None:
    rows, job = [*users(1200), {"email": "bad"}], name()
    told: list[ImportResult] = []

    def stop_at_half(result: ImportResult) -> None:
        if len(told) == 700:
            raise Stop
        told.append(result)

    with pytest.raises(Stop):
        await client.auth.users.import_users(
            io.BytesIO(json.dumps(rows).encode()), format="json", import_id=job, on_result=stop_at_half
        )
    summary = await client.auth.users.import_users(
        io.BytesIO(json.dumps(rows).encode()), format="json", import_id=job, on_result=told.append, told=len(told)
    )
    assert counts(summary) == (1200, 0, 0, 1)
    assert Counter(each.status for each in told) == {"created": 1200, "failed": 1}
    assert {each.line for each in told} == {1}
    assert len({each.user_id for each in told}) == 1201


@pytest.mark.parametrize("on_conflict", ["fail", "skip", "update"])
async def test_dry_run_finds_duplicates_in_the_file(client: contract.AsyncClient, on_conflict: Any) -> None:
    rows = users(1300)
    for number, each in enumerate(rows):
        each["externalId"] = f"{each['email']} {number}"
        each["identities"] = [{"provider": "x", "providerId": each["externalId"]}]
    rows[1200]["email"] = rows[3]["email"].upper()
    rows[1201]["externalId"] = rows[4]["externalId"]
    rows[1202]["identities"] = [*rows[1202]["identities"], *rows[5]["identities"]]
    rows[1203] = {"email": rows[6]["email"]}
    rows[1204] = rows[1204] | {"externalId": rows[1201]["externalId"]}
    for number in (7, 8, 1205):
        rows[number]["id"] = str(TypeID("user"))
    rows[1206]["id"] = rows[7]["id"]
    rows[1207] = dict(rows[8])
    rows[1208] = rows[7] | {"email": rows[8]["email"]}
    rehearsed = await client.auth.users.import_users(rows, dry_run=True, on_conflict=on_conflict)
    with pytest.raises(contract.UserNotFound):
        await client.auth.users.get_by_email(rows[0]["email"])
    real = await client.auth.users.import_users(rows, on_conflict=on_conflict)
    assert counts(rehearsed) == counts(real)
    assert real.created == 1292
    for one, other in zip(rehearsed.results, real.results, strict=True):
        assert (one.line, one.error and one.error.code, one.error and one.error.field) == (
            other.line,
            other.error and other.error.code,
            other.error and other.error.field,
        )


async def test_passwords_are_sealed_and_few_in_a_message(
    client: contract.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Json] = []
    real = Transport.command

    async def seen(self: Transport, command: str, body: Any, *args: Any, **more: Any) -> Json:
        if command == "ImportUsers":
            sent.append(json.loads(body))
        return await real(self, command, body, *args, **more)

    monkeypatch.setattr(Transport, "command", seen)
    rows = [*users(40, password=PASSWORD, emailVerified=True), *users(30, password=f"hashed:{HASHES[0]}")]
    summary = await client.auth.users.import_users(rows)
    assert counts(summary) == (70, 0, 0, 0)
    assert [len(body["users"]) for body in sent] == [25, 45]
    assert PASSWORD not in json.dumps(sent)
    signed_in = await client.auth.sessions.authenticate(email=rows[0]["email"], password=PASSWORD)
    assert signed_in.user.email == rows[0]["email"]


async def test_row_larger_than_a_message_is_a_bad_row(client: contract.AsyncClient) -> None:
    rows = users(3)
    rows[1]["metadata"] = {"text": "\u00e4" * 450_000}
    summary = await client.auth.users.import_users(rows)
    assert [(each.status, each.error and each.error.code) for each in summary.results] == [
        ("created", None),
        ("failed", "malformed_message"),
        ("created", None),
    ]


async def test_rows_of_all_sizes_fit_into_messages(client: contract.AsyncClient) -> None:
    rows = users(120)
    for number, each in enumerate(rows):
        each["metadata"] = {"text": "x" * (16_000 if number % 3 else 1), "quotes": '"' * 50}
        each["appMetadata"] = {"text": "\U0001f469" * 3_000}
    summary = await client.auth.users.import_users(rows)
    assert counts(summary) == (120, 0, 0, 0)


def test_summary_keeps_a_thousand_results() -> None:
    summary = ImportSummary("job")
    began = time.process_time()
    for line in range(1, 300_001):
        summary.add(ImportResult(line, "failed" if line % 2 else "created"))
    assert time.process_time() - began < 5
    assert (summary.created, summary.failed) == (150_000, 150_000)
    assert [each.line for each in summary.results] == list(range(1, 2001, 2))


async def test_export_shows_the_clients_own_writes(client: contract.AsyncClient) -> None:
    made = users(700, metadata={"text": "x" * 3000})
    await client.auth.users.import_users(made)
    pieces = [piece async for piece in client.auth.users.export(fields=["email", "metadata"])]
    assert len(pieces) > 2
    exported = {json.loads(line)["email"] for line in b"".join(piece.data for piece in pieces).splitlines()}
    assert exported >= {each["email"] for each in made}
    assert len({piece.position for piece in pieces}) == 1


def test_blocking_client_exports(denizen: Denizen) -> None:
    with contract.Client(denizen.nats_url) as client:
        client.auth.users.import_users(users(2))
        data = b"".join(piece.data for piece in client.auth.users.export(format="json", fields=["id"]))
        assert len(json.loads(data)) >= 2


async def test_lost_export_says_so_at_once(client: contract.AsyncClient, denizen: Denizen) -> None:
    gone = FilePiece(b"", 1, 0, "users.v1.query.ExportUsers-0123456789abcdef01234567")
    with takes_less_than(5), pytest.raises(contract.NoAnswer):
        await client.auth.users.export_piece(gone, {})
    async with connected(denizen.nats_url) as backend:
        with pytest.raises(NoRespondersError):
            await backend.ask("users.v1.query.ExportUsers-0123456789abcdef01234567", {"piece": 1}, 30)


async def test_lost_piece_is_requested_again(client: contract.AsyncClient, denizen: Denizen) -> None:
    await client.auth.users.import_users(users(700, metadata={"text": "x" * 3000}))
    async with connected(denizen.nats_url) as backend:
        first = await backend.query("ExportUsers", {"fields": ["id", "metadata"]})
        subject = first.headers["Denizen-Export"]
        # Several at once: each is answered, and all with the same.
        answers = await asyncio.gather(*(backend.ask(subject, {"piece": 1}) for _ in range(3)))
        assert {answer.data for answer in answers} == {answers[0].data}
        assert answers[0].data != first.data
        assert (await backend.ask(subject, {"end": True})).data == b""


async def test_stopped_exports_free_their_place(denizen: Denizen, client: contract.AsyncClient) -> None:
    await client.auth.users.import_users(users(1200, metadata={"text": "x" * 3000}))
    others = _snapshots(denizen)
    for _ in range(5):
        async with aclosing(client.auth.users.export()) as pieces:
            assert (await anext(pieces)).follows is not None
        await asyncio.to_thread(_held, denizen, others, 0)
    with contract.Client(denizen.nats_url) as blocking:
        for _ in range(5):
            for _ in blocking.auth.users.export():
                break
            _held(denizen, others, 0)
        kept = blocking.auth.users.export()
        piece = next(kept)
        _held(denizen, others, 1)
    # Of a client that is closed it ends in silence.
    kept.close()
    await client.auth.users.export_end(piece)
    await asyncio.to_thread(_held, denizen, others, 0)


def _snapshots(denizen: Denizen) -> set[int]:
    """The database's processes that hold one for an export."""
    with psycopg.connect(denizen.database_url) as connection:
        found = connection.execute(
            "select pid from pg_stat_activity where application_name = 'denizen transfer export'"
        )
        return {pid for (pid,) in found}


def _held(denizen: Denizen, others: set[int], count: int) -> None:
    """Wait until so many snapshots are held but for others: for less time than an abandoned export is held."""
    eventually(lambda: len(_snapshots(denizen) - others) == count, 30, f"{count} exports")


YESCRYPT = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"


async def test_import_without_unsupported_hashes_creates_each_user_and_reports(client: contract.AsyncClient) -> None:
    hashes = [YESCRYPT, "{SHA}at+xg6SiyUovktq1redip", HASHES[0]]
    rows = [row | {"passwordHash": hashed} for row, hashed in zip(users(3, emailVerified=True), hashes, strict=True)]
    refused = await client.auth.users.import_users(rows, dry_run=True)
    assert counts(refused) == (1, 0, 0, 2)
    told: list[ImportResult] = []
    summary = await client.auth.users.import_users(rows, without_hashes="unsupported", on_result=told.append)
    assert counts(summary) == (3, 0, 0, 0)
    assert [group["message"] for group in summary.report.as_json()["changed"]] == [
        "left out, so the user resets the password by mail: yescrypt hashes are not accepted",
        "left out, so the user resets the password by mail: the {SHA} hash is malformed",
        "a weak hash (bcrypt), which the user's next login replaces",
    ]
    assert [[name for name, _ in each.changed] for each in told] == [["passwordHash"]] * 3
    signed_in = await client.auth.sessions.authenticate(email=rows[2]["email"], password=PASSWORD)
    assert signed_in.user.email == rows[2]["email"]


async def test_import_without_all_hashes_sends_none(client: contract.AsyncClient) -> None:
    rows = users(2, passwordHash=HASHES[0], emailVerified=True)
    summary = await client.auth.users.import_users(rows, without_hashes="all")
    assert counts(summary) == (2, 0, 0, 0)
    assert summary.report.changed.count == 2
    with pytest.raises(contract.InvalidCredentials):
        await client.auth.sessions.authenticate(email=rows[0]["email"], password=PASSWORD)


async def test_import_refuses_another_choice_of_hashes(client: contract.AsyncClient) -> None:
    with pytest.raises(ValueError, match="none, unsupported or all"):
        await client.auth.users.import_users([], without_hashes="some")  # pyright: ignore[reportArgumentType]


async def test_update_by_a_file_that_says_nothing_of_verification_or_status_leaves_them(
    client: contract.AsyncClient,
) -> None:
    """A preset assumes them of a new user alone: an entry of a directory and a user of Keycloak without `enabled`."""
    address = f"{name()}@example.com"
    known = [{"email": address, "emailVerified": True, "status": "ACTIVE"}]
    assert counts(await client.auth.users.import_users(known)) == (1, 0, 0, 0)
    keycloak = {"username": "ada", "email": address, "firstName": "Ada", "realmRoles": ["x"], "credentials": []}
    entry = f"dn: uid=ada,dc=example\nobjectClass: inetOrgPerson\nuid: ada\nmail: {address}\nsn: Lovelace\n"
    files: list[tuple[io.BytesIO, dict[str, Any]]] = [
        (lines([keycloak]), {"preset": "keycloak"}),
        (io.BytesIO(entry.encode()), {"preset": "ldif", "format": "ldif"}),
    ]
    for file, options in files:
        summary = await client.auth.users.import_users(file, on_conflict="update", **options)
        assert counts(summary) == (0, 1, 0, 0), summary
        user = await client.auth.users.get_by_email(address)
        assert (user.email_verified, user.status) == (True, "ACTIVE")
    profile = (await client.auth.users.get_by_email(address)).profile
    assert (profile.first_name, profile.last_name) == ("Ada", "Lovelace")


@pytest.mark.parametrize("row", [{}, {"emailVerified": True}, {"emailVerified": False}], ids=str)
async def test_update_with_no_address_verified_takes_back_a_wrong_verification(
    client: contract.AsyncClient, row: Json
) -> None:
    address = f"{name()}@example.com"
    await client.auth.users.import_users([{"email": address}], verified="all")
    assert (await client.auth.users.get_by_email(address)).email_verified
    await client.auth.users.import_users([{"email": address, **row}], on_conflict="update", verified="none")
    assert not (await client.auth.users.get_by_email(address)).email_verified

"""Mails arrive: each once in the plain case, all of them whatever dies, none before others that could go."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from services.embedded.sink import Sink
from services.mailer import sender
from services.mailer.outbox import Outbox
from services.platform import broker
from services.platform.settings import Settings
from services.platform.signal import Signal
from tests.mailer.conftest import Mailing
from tests.support import smtp
from tests.support.servers import REPOSITORY, eventually
from tests.support.smtp import Clerk, arrived, put, recipients, run_sql, served, waiting


@pytest_asyncio.fixture
async def outboxes(configure: Callable[..., Settings]) -> AsyncGenerator[tuple[Outbox, Outbox]]:
    settings = configure("smtp://127.0.0.1:1")
    opened = Outbox(settings, smtp.ring()), Outbox(settings, smtp.ring())
    yield opened
    for outbox in opened:
        await outbox.close()


async def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    await asyncio.to_thread(eventually, condition, seconds, what)


def none_waits(url: str) -> bool:
    return not waiting(url)


async def test_mail_is_delivered_and_its_row_deleted(
    mailing: Mailing, sink: Sink, maildir: Path, database_url: str
) -> None:
    mail_id = put(database_url, "Ada@Example.com")
    async with mailing(sink.url):
        await until(partial(none_waits, database_url), "the mail's end")
    (mail,) = arrived(maildir)
    assert smtp.code_in(mail) == smtp.CODE
    assert mail["X-Original-To"] == mail["To"] == "Ada@Example.com"
    assert mail["From"] == "Denizen <no-reply@localhost>"
    assert mail["Return-Path"] == "<no-reply@localhost>"
    assert mail["Message-ID"] == f"<{mail_id}@localhost>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] is not None


async def test_signal_is_quicker_than_the_poll(
    mailing: Mailing, sink: Sink, database_url: str, configure: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_idle() -> bool:
        """Its last statement was a claim, after which it had nothing to do."""
        last = "select state, query like '%%skip locked%%update mails%%' from pg_stat_activity where datname = "
        return ("idle", True) in run_sql(
            database_url, f"{last}current_database() and application_name = 'denizen mailer'"
        )

    monkeypatch.setattr("services.mailer.service._POLL_SECONDS", 60)
    client = await broker.connect(configure(sink.url), "signal")
    async with mailing(sink.url):
        await until(is_idle, "the mailer's rest")
        put(database_url, "ada@example.com")
        await Signal(client, configure(sink.url), "mail").send()
        await until(partial(none_waits, database_url), "the mail's end")
    await client.close()


async def test_many_mails_share_one_connection(mailing: Mailing, database_url: str) -> None:
    clerk = Clerk()
    addresses = [f"user{number}@example.com" for number in range(50)]
    for address in addresses:
        put(database_url, address)
    async with served(clerk) as port, mailing(f"smtp://127.0.0.1:{port}"):
        await until(partial(none_waits, database_url), "the end of all mails")
    assert sorted(clerk.recipients) == sorted(addresses)
    assert clerk.sessions == 1


async def test_two_mailers_send_each_mail_once(mailing: Mailing, sink: Sink, maildir: Path, database_url: str) -> None:
    addresses = [f"user{number}@example.com" for number in range(150)]
    for address in addresses:
        put(database_url, address)
    async with mailing(sink.url), mailing(sink.url):
        await until(partial(none_waits, database_url), "the end of all mails", 30)
    assert sorted(recipients(maildir)) == sorted(addresses)


def pauses(caplog: pytest.LogCaptureFixture) -> list[float]:
    return [record.__dict__["pause"] for record in caplog.records if record.message == "server_failed"]


async def test_server_that_comes_back_gets_all_mails_once(
    mailing: Mailing, tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = [f"user{number}@example.com" for number in range(45)]
    with smtp.sink(tmp_path) as server:
        pass
    async with mailing(server.url):
        for address in addresses:
            put(database_url, address)
        await until(lambda: len(pauses(caplog)) > 1, "a second failure")
        assert 0.5 <= pauses(caplog)[0] <= 1 <= pauses(caplog)[1] <= 2
        assert len(waiting(database_url)) == len(addresses)
        with smtp.sink(tmp_path, server):
            await until(partial(none_waits, database_url), "the end of all mails", 30)
    assert sorted(recipients(tmp_path / "mail")) == sorted(addresses)


async def test_server_that_dies_in_mid_work_gets_all_mails(mailing: Mailing, tmp_path: Path, database_url: str) -> None:
    addresses = {f"user{number}@example.com" for number in range(100)}
    for address in addresses:
        put(database_url, address)
    new = tmp_path / "mail" / "new"
    with smtp.sink(tmp_path) as server:
        sending = mailing(server.url)
        await sending.__aenter__()
        await until(lambda: len(list(new.iterdir())) > 5, "some mails")
    assert waiting(database_url)
    with smtp.sink(tmp_path, server):
        await until(partial(none_waits, database_url), "the end of all mails", 30)
    await sending.__aexit__(None, None, None)
    assert set(recipients(tmp_path / "mail")) == addresses
    assert len(arrived(tmp_path / "mail")) <= len(addresses) + 1  # one may have been on its way


def run_mailer(settings: Settings) -> subprocess.Popen[bytes]:
    secrets = ("database_url", "nats_signal_password", "key_encryption_keys", "claim_key", "smtp_url")
    environment = {f"DENIZEN_{name.upper()}": getattr(settings, name).get_secret_value() for name in secrets}
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "run", "mailer"],
        cwd=REPOSITORY,
        env={**os.environ, **environment, "DENIZEN_NATS_URL": settings.nats_url or ""},
        stderr=subprocess.DEVNULL,
    )


async def test_mailer_killed_in_mid_batch_loses_no_mail(
    configure: Callable[..., Settings], mailing: Mailing, sink: Sink, maildir: Path, database_url: str
) -> None:
    addresses = {f"user{number}@example.com" for number in range(100)}
    for address in addresses:
        put(database_url, address)
    process = run_mailer(configure(sink.url))
    try:
        await until(lambda: len(list((maildir / "new").iterdir())) > 30, "some mails", 30)
    finally:
        process.kill()
        process.wait()
    (claimed,) = run_sql(database_url, "select count(*) from mails where due_at > now()")
    assert claimed[0] > 0
    run_sql(database_url, "update mails set due_at = now()")  # the lease is over
    async with mailing(sink.url):
        await until(partial(none_waits, database_url), "the end of all mails")
    assert set(recipients(maildir)) == addresses
    assert len(arrived(maildir)) <= len(addresses) + 1


async def test_sigterm_finishes_the_mail_and_releases_the_others(
    configure: Callable[..., Settings], sink: Sink, maildir: Path, database_url: str
) -> None:
    for number in range(100):
        put(database_url, f"user{number}@example.com")
    process = run_mailer(configure(sink.url))
    try:
        await until(lambda: len(list((maildir / "new").iterdir())) > 5, "some mails", 30)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
    finally:
        process.kill()
        process.wait()
    left = waiting(database_url)
    assert left
    assert len(left) + len(arrived(maildir)) == 100
    assert run_sql(database_url, "select count(*) from mails where due_at > now()") == [(0,)]


async def test_lost_database_connection_is_opened_again(
    mailing: Mailing, sink: Sink, maildir: Path, database_url: str
) -> None:
    async with mailing(sink.url):
        put(database_url, "one@example.com")
        await until(partial(none_waits, database_url), "the mail's end")
        ended = run_sql(
            database_url,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'denizen mailer' and datname = current_database()",
        )
        assert ended == [(True,)]
        put(database_url, "two@example.com")
        await until(partial(none_waits, database_url), "the mail's end")
    assert recipients(maildir) == ["one@example.com", "two@example.com"]


async def test_mail_under_way_is_finished_before_the_end(mailing: Mailing, database_url: str) -> None:
    held = asyncio.Event()
    clerk = Clerk(held=held)
    put(database_url, "ada@example.com")
    async with served(clerk) as port:
        async with mailing(f"smtp://127.0.0.1:{port}"):
            await asyncio.wait_for(clerk.holding.wait(), 5)
            # Once it has been told to stop; were this earlier, the test would only be weaker.
            asyncio.get_running_loop().call_later(0.3, held.set)
        assert waiting(database_url) == set()
    assert clerk.recipients == ["ada@example.com"]


# --- answers ----------------------------------------------------------------------------------------------------


async def test_mail_refused_for_good_is_dropped_and_others_are_sent(
    mailing: Mailing, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    clerk = Clerk(
        rcpt=["550 5.1.1 <user0@example.com> is unknown", "", "", ""],
        data=["554 5.7.1 user1@example.com does not like it", "", ""],
    )
    for number in range(4):
        put(database_url, f"user{number}@example.com")
    async with served(clerk) as port, mailing(f"smtp://127.0.0.1:{port}"):
        await until(partial(none_waits, database_url), "the end of all mails")
    assert len(clerk.taken) == 2
    refused = [record.__dict__["reason"] for record in caplog.records if record.message == "refused"]
    assert refused == ["550 5.1.1", "554 5.7.1"]
    assert not [record for record in caplog.records if "example.com" in str(record.__dict__)]


async def test_mail_refused_for_now_is_sent_later(mailing: Mailing, database_url: str) -> None:
    clerk = Clerk(rcpt=["451 4.7.1 greylisted"], data=["452 4.2.2 mailbox full"])
    for number in range(3):
        put(database_url, f"user{number}@example.com")
    async with served(clerk) as port, mailing(f"smtp://127.0.0.1:{port}"):
        await until(lambda: len(clerk.taken) == 1, "the one that is taken at once", 5)
        await until(partial(none_waits, database_url), "the end of all mails")
    assert sorted(clerk.recipients) == [f"user{number}@example.com" for number in range(3)]


async def test_retry_delays_grow_to_a_minute(outboxes: tuple[Outbox, Outbox], database_url: str) -> None:
    put(database_url, "ada@example.com")
    for number in range(9):
        (lease,) = await outboxes[0].take(10, 40)
        await outboxes[0].postpone(lease)
        ((delay,),) = run_sql(database_url, "select extract(epoch from due_at - now()) from mails")
        longest = min(60, 2**number)
        assert longest / 2 - 0.5 < delay <= longest
        run_sql(database_url, "update mails set due_at = now()")  # it has come due


async def test_expired_lease_does_not_touch_the_next_one(outboxes: tuple[Outbox, Outbox], database_url: str) -> None:
    """A mailer that was stopped and goes on later must not hand out what is another's by then."""
    late, next_one = outboxes
    put(database_url, "ada@example.com")
    (lost,) = await late.take(10, 40)
    assert await next_one.take(10, 40) == []
    run_sql(database_url, "update mails set due_at = now()")  # the lease is over
    (taken,) = await next_one.take(10, 40)
    await late.give_back([lost])
    await late.postpone(lost)
    assert await late.take(10, 40) == []
    await next_one.give_back([taken])
    assert [lease.mail_id for lease in await late.take(10, 40)] == [taken.mail_id]


@pytest.mark.parametrize("fault", ["slow", "cut"])
async def test_mail_that_kills_the_connection_delays_no_other(
    mailing: Mailing, database_url: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "SECONDS", 1)
    clerk = Clerk(slow={"bad@example.com"}) if fault == "slow" else Clerk(cut={"bad@example.com"})
    bad = put(database_url, "bad@example.com")
    others = [put(database_url, f"user{number}@example.com") for number in range(30)]
    async with served(clerk) as port, mailing(f"smtp://127.0.0.1:{port}"):
        await until(lambda: not waiting(database_url).intersection(others), "the others", 8)
        assert waiting(database_url) == {bad}
    assert len(clerk.taken) == len(others)


async def test_refused_sender_loses_no_mail(mailing: Mailing, database_url: str) -> None:
    """It is a setting of ours that is wrong, not the mail."""
    clerk = Clerk(takes_sender=False)
    put(database_url, "ada@example.com")
    async with served(clerk) as port, mailing(f"smtp://127.0.0.1:{port}"):
        await until(lambda: clerk.sessions > 1, "a second try")
        assert waiting(database_url)
        clerk.takes_sender = True
        await until(partial(none_waits, database_url), "the mail's end")


# --- what is not sent -------------------------------------------------------------------------------------------


async def test_expired_mails_are_dropped_and_counted(
    mailing: Mailing, sink: Sink, maildir: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "services")
    for number in range(3):
        put(database_url, f"late{number}@example.com", seconds=-1)
    put(database_url, "ada@example.com")
    async with mailing(sink.url):
        await until(partial(none_waits, database_url), "the end of all mails")
    assert recipients(maildir) == ["ada@example.com"]
    assert [record.__dict__["mails"] for record in caplog.records if record.message == "expired"] == [3]


async def test_undecryptable_mail_delays_no_other(
    mailing: Mailing, sink: Sink, maildir: Path, database_url: str
) -> None:
    """Its user was erased, and it is dropped. Its row was changed; its key is not ours; it lacks a value: they wait."""
    erased = put(database_url, "erased@example.com")
    run_sql(database_url, "delete from data_keys k using mails m where m.user_id = k.user_id and mail_id = %s", erased)
    bad: set[UUID] = set()
    bad.add(moved := put(database_url, "moved@example.com"))
    other = put(database_url, "ada@example.com")
    run_sql(
        database_url,
        "update mails set private = (select private from mails where mail_id = %s) where mail_id = %s",
        other,
        moved,
    )
    bad.add(put(database_url, "keys@example.com", keys=smtp.ring(epoch=2)))
    bad.add(put(database_url, "empty@example.com", values={}))
    async with mailing(sink.url):
        await until(lambda: waiting(database_url) == bad, "the end of the good one and of the erased one")
    assert recipients(maildir) == ["ada@example.com"]

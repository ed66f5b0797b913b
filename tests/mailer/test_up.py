"""`denizen up` runs the mailer and the sink, and brings them back."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from services.eventstore.keys import data_keys as keys
from services.platform.settings import Settings
from tests.support.servers import Denizen, eventually
from tests.support.smtp import put, recipients, sink, waiting

pytestmark = pytest.mark.embedded


def _has_another(denizen: Denizen, child: str, pid: int) -> bool:
    return denizen.pids().get(child) not in (None, pid)


def _none_waits(denizen: Denizen) -> bool:
    return not waiting(denizen.database_url)


@pytest.mark.slow
async def test_mails_arrive_after_a_kill_of_mailer_or_sink(own_denizen: Denizen) -> None:
    ring = keys.load(Settings(home=own_denizen.home))
    maildir = own_denizen.home / "mail"
    sent: list[str] = []
    for killed in (("mailer",), ("smtp",), ("smtp", "mailer"), ()):
        pids = {child: own_denizen.kill(child) for child in killed}
        sent.append(f"user{len(sent)}@example.com")
        put(own_denizen.database_url, sent[-1], keys=ring)
        await asyncio.to_thread(eventually, partial(_none_waits, own_denizen), 30, "the mail's end")
        for child, pid in pids.items():
            await asyncio.to_thread(eventually, partial(_has_another, own_denizen, child, pid), 30, child)
    assert sorted(recipients(maildir)) == sorted(sent)
    assert "example.com" not in (own_denizen.home / "log" / "mailer.log").read_text()
    assert "example.com" not in (own_denizen.home / "log" / "smtp.log").read_text()
    assert own_denizen.stop() == 0
    assert own_denizen.leftovers() == []


async def test_configured_smtp_server_replaces_the_sink(tmp_path: Path) -> None:
    with sink(tmp_path / "own") as server:
        denizen = Denizen(tmp_path / "home", DENIZEN_SMTP_URL=server.url)
        denizen.start()
        try:
            assert "smtp" not in denizen.pids()
            put(denizen.database_url, "ada@example.com", keys=keys.load(Settings(home=denizen.home)))
            await asyncio.to_thread(eventually, partial(_none_waits, denizen), 30, "the mail's end")
        finally:
            assert denizen.stop() == 0
    assert recipients(tmp_path / "own" / "mail") == ["ada@example.com"]
    assert recipients(tmp_path / "home" / "mail") == []

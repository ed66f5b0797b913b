"""Revocations outlive what stores and carries them: the log fills the bucket again before any verifier trusts it."""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import nats
import psycopg
import pytest
from denizen import AsyncTokenVerifier, StaleRead, TokenInvalid
from denizen.revocations import FAILURES, REVOCATIONS_STREAM, Watch
from nats.aio.client import Client
from pydantic import SecretStr

from services.domain.sessions import Ended, place
from services.embedded.home import Home
from services.embedded.nats import Nats
from services.eventstore.keys import data_keys as keys
from services.platform import broker
from services.platform.database import Database
from services.platform.settings import Settings
from services.platform.signal import Signal
from services.relay.feed import Feed
from services.relay.service import Relay
from services.tokens.keys import ServerKeys
from services.tokens.revocations import Revocation, RevocationFailed, Revocations
from tests.support import backend, log
from tests.support.people import PASSWORD, talking
from tests.support.quiet import within
from tests.support.servers import Denizen, freeze, running
from tests.support.tokens import Signer, session_id, user_id

_APPEND = """
with head as (update denizen.log_head set position = position + 1 returning position)
insert into denizen.events
    (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
select position, gen_random_uuid(), %s, position, %s, 1, %s::jsonb, '{}', now() - make_interval(secs => %s), ''
from head
returning position
"""


def append(url: str, event: str, user: str, session: str | None = None, age: int = 0) -> int:
    """An event straight into the log, as one whose writer died before it could do any more; its position."""
    public = {"userId": user, "version": 1, "status": "ACTIVE"} | ({"sessionId": session} if session else {})
    with psycopg.connect(url, autocommit=True) as owner:
        row = owner.execute(_APPEND, [user, event, json.dumps(public), age]).fetchone()
        assert row
        return int(row[0])


def outcome(verifier: AsyncTokenVerifier, token: str) -> str:
    try:
        verifier.verify(token)
    except (StaleRead, TokenInvalid) as error:
        return error.code
    return "good"


@dataclass
class Site:
    """A NATS of the test's own, a log, and a relay between them."""

    server: Nats
    home: Path
    logfile: Path
    url: str

    @property
    def settings(self) -> Settings:
        passwords = {f"nats_{user}_password": SecretStr(self.server.passwords[user]) for user in ("signal", "relay")}
        return log.settings(self.url).model_copy(update={"nats_url": self.server.url, **passwords})

    async def client(self, user: str) -> Client:
        return await nats.connect(
            self.server.url,
            user=user,
            password=self.server.passwords[user],
            inbox_prefix=f"_INBOX.{user}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            error_cb=_ignore,
        )

    @asynccontextmanager
    async def relay(self) -> AsyncGenerator[None]:
        signals, publisher = await broker.connect(self.settings, "signal"), await broker.connect(self.settings, "relay")
        relay, ready = Relay(self.settings, publisher, Signal(signals, self.settings, "log")), asyncio.Event()
        work = asyncio.create_task(relay.run(ready.set))
        await asyncio.wait_for(ready.wait(), 10)
        yield
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        await relay.close()
        for client in (publisher, signals):
            await broker.disconnect(client)


async def _ignore(_: Exception) -> None:
    """Of a connection that comes back by itself."""


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Site:
    home = Home(tmp_path / "home")
    home.create()
    return Site(Nats(home, 0), home.path, tmp_path / "nats.log", database_url)


async def test_relay_revokes_what_accounts_could_not(site: Site) -> None:
    """Every type of event, before it leads and while it does; and it can tell which are too old to matter."""
    user, session = user_id(), session_id()
    early = [(name, user_id()) for name in ("UserBlocked", "UserDeactivated", "UserDeleted", "PasswordChanged")]
    positions = {each: append(site.url, name, each) for name, each in early}
    old = user_id()
    append(site.url, "UserBlocked", old, age=2 * 3600)
    append(site.url, "UserUnblocked", user)
    append(site.url, "SessionsRevoked", user, session)
    with running(site.server, site.logfile):
        async with site.relay():
            watcher, watch = await site.client("subscriber"), Watch()
            await watch.prove(watcher, 2)
            for each, position in positions.items():
                assert watch.table.get(f"user.{each}") == place(position)
            assert watch.table.get(f"session.{session}") == 0
            assert watch.table.get(f"user.{user}") == -1
            late = {name: append(site.url, name, old) for name in ("UserBlocked", "SessionsRevoked")}
            await within(5, lambda: watch.table.get(f"user.{old}") == place(late["SessionsRevoked"]))
            backing = await site.client("backend")
            events = await backing.jetstream().stream_info("USERS_EVENTS")
            await backing.close()
            assert events.state.last_seq <= late["SessionsRevoked"]
            await watcher.close()


async def test_expired_revocation_is_not_stored_again(site: Site) -> None:
    old, new = user_id(), user_id()
    append(site.url, "UserBlocked", old, age=2 * 3600)
    position = append(site.url, "UserBlocked", new, age=3600)
    feed = Feed(site.settings)
    assert await feed.revoked() == [Revocation(f"user.{new}", place(position))]
    await feed.close()


@pytest.mark.slow
# nats-py leaves the socket of a try to connect that a dying server broke off to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("loss", ["nothing", "the bucket's files"])
async def test_revocations_survive_a_kill_of_nats(site: Site, loss: str) -> None:
    """A verifier works again by itself, and nothing is forgotten: not by it, and not by one that comes later."""
    signer = Signer()
    user, other = user_id(), user_id()
    with running(site.server, site.logfile) as first:
        responder, revoker = await site.client("responder"), await site.client("revoker")
        await signer.serve(responder)
        async with site.relay(), AsyncTokenVerifier(site.server.url, stale_after=1.5) as verifier:
            position = append(site.url, "UserBlocked", user)
            token, good = signer.sign(user, position=0), signer.sign(other, position=place(position))
            await within(5, lambda: outcome(verifier, token) == "token_invalid")
            assert outcome(verifier, good) == "good"

            first.send_signal(signal.SIGKILL)
            first.wait()
            missed = append(site.url, "UserBlocked", other)
            await within(3, lambda: outcome(verifier, good) == "stale_read")
            if loss != "nothing":
                (files,) = (site.home / "nats").glob(f"**/streams/{REVOCATIONS_STREAM}")
                shutil.rmtree(files)
            with running(site.server, site.logfile):
                await within(15, lambda: outcome(verifier, good) == "token_invalid")
                assert outcome(verifier, token) == "token_invalid"
                assert outcome(verifier, signer.sign(other, position=place(missed + 1))) == "good"
                async with AsyncTokenVerifier(site.server.url) as later:
                    assert outcome(later, token) == outcome(later, good) == "token_invalid"
                await Revocations(revoker).put_ended(Ended(other, None, place(missed + 5)))
                await within(
                    1, lambda: outcome(verifier, signer.sign(other, position=place(missed + 1))) == "token_invalid"
                )
                for client in (responder, revoker):
                    await client.close()


@pytest.mark.slow
async def test_verifier_distrusts_the_bucket_until_the_relay_fills_it(site: Site) -> None:
    """The bucket is back with all that was on disk: the newest entries may not have been."""
    with running(site.server, site.logfile) as first:
        async with site.relay():
            pass
        before = await site.client("backend")
        watch = Watch()
        await watch.prove(before, 2)
        assert watch.fresh_at > 0
        await before.close()
        first.send_signal(signal.SIGKILL)
        first.wait()
    with running(site.server, site.logfile):
        after = await site.client("backend")
        late = Watch()
        for each in (watch, late):
            fresh_at = each.fresh_at
            with pytest.raises(FAILURES, match="filled"):
                await each.prove(after, 2)
            assert each.fresh_at == fresh_at
        async with site.relay():
            for each in (watch, late):
                await each.prove(after, 2)
        await after.close()


async def test_block_without_stored_revocation_answers_in_time(site: Site) -> None:
    with running(site.server, site.logfile) as server:
        revoker = await site.client("revoker")
        revocations = Revocations(revoker)
        with pytest.raises(RevocationFailed):  # There is no bucket.
            async with asyncio.timeout(7):
                await revocations.put_ended(Ended(user_id(), None, 1))
        await revocations.declare(1)
        await revocations.put_ended(Ended(user_id(), None, 1))
        freeze(server.pid)
        try:
            with pytest.raises(RevocationFailed):
                async with asyncio.timeout(7):
                    await revocations.put([Revocation(f"user.{user_id()}", 1) for _ in range(10)])
        finally:
            server.send_signal(signal.SIGCONT)
        await revoker.close()


@pytest.mark.slow
async def test_expired_entries_leave_the_bucket_trusted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells that it was filled must outlive all that it was filled with."""
    monkeypatch.setattr("services.tokens.revocations.KEPT_SECONDS", 1)
    with running(site.server, site.logfile):
        async with site.relay():
            client, revoker = await site.client("backend"), await site.client("revoker")
            user = user_id()
            await Revocations(revoker).put_ended(Ended(user, None, 1))
            async with asyncio.timeout(20):
                while (await client.jetstream().stream_info(REVOCATIONS_STREAM)).state.messages > 1:
                    await asyncio.sleep(0.05)
            watch = Watch()
            await watch.prove(client, 2)
            assert watch.fresh_at > 0
            assert watch.table.get(f"user.{user}") == -1
            await client.close()
            await revoker.close()


@pytest.mark.embedded
@pytest.mark.slow
async def test_revocations_survive_removal_of_the_bucket_files(own_denizen: Denizen) -> None:
    """The whole system: what was blocked in the last hour is in the new bucket."""
    async with backend.connected(own_denizen.nats_url) as client:
        user = await client.create()
        version = (await client.command("BlockUser", {"userId": user["id"]})).body["version"]
    assert own_denizen.stop() == 0
    (files,) = (own_denizen.home / "nats").glob(f"**/streams/{REVOCATIONS_STREAM}")
    shutil.rmtree(files)
    own_denizen.start()
    async with backend.connected(own_denizen.nats_url) as client:
        watch = Watch()
        async with asyncio.timeout(10):
            while watch.fresh_at < 0:
                with suppress(*FAILURES):
                    await watch.prove(client.client, 1)
        assert watch.table.get(f"user.{user['id']}") == place(version)


@pytest.mark.embedded
@pytest.mark.slow
async def test_leaked_key_is_dropped_while_accounts_is_away(own_denizen: Denizen) -> None:
    """A verifier would know by itself a minute later; accounts tells it of what happened while it was away."""
    async with talking(own_denizen) as talk, AsyncTokenVerifier(own_denizen.nats_url) as verifier:
        member = await talk.member()
        token = (await talk.sign_in(member))["accessToken"]
        verifier.verify(token)
        freeze(own_denizen.pids()["accounts"])
        home = Settings(home=own_denizen.home, database_url=SecretStr(own_denizen.database_url))
        database = Database(home, "keys")
        await ServerKeys(database, home, keys.load(home)).rotate("signing", at_once=True)
        await database.close()
        own_denizen.kill("accounts")
        await within(20, lambda: outcome(verifier, token) == "token_invalid")
        again = {"email": member["email"], "password": PASSWORD}
        fresh = (await talk.insist("users.v1.command.Authenticate", again, 20)).body["accessToken"]
        await within(5, lambda: outcome(verifier, fresh) == "good")

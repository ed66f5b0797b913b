"""Tokens are checked in the verifier's own process, and refused as soon as they are revoked or nothing is known."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import nats
import pytest
from denizen import AsyncTokenVerifier, NoAnswer, StaleRead, TokenInvalid, TokenVerifier
from denizen.revocations import Watch
from denizen.tokens import TokenClaims
from nats.aio.client import Client
from nats.aio.msg import Msg

from bench.revocation import Verifiers, verifiers
from services.domain.sessions import Ended
from services.tokens.revocations import Revocation, Revocations
from tests.support.gate import Gate
from tests.support.quiet import takes_less_than, within
from tests.support.servers import REPOSITORY, NatsServer
from tests.support.tokens import Signer, new_key, session_id, user_id

pytestmark = pytest.mark.embedded
"""The keys that are served here must not be another's: the NATS of the containers has a whole Denizen on it."""


async def connected(server: NatsServer, user: str) -> Client:
    return await nats.connect(
        server.url, user=user, password=server.passwords[user], inbox_prefix=f"_INBOX.{user}", allow_reconnect=False
    )


@asynccontextmanager
async def revoking(server: NatsServer) -> AsyncGenerator[Revocations]:
    """The bucket, filled; what other tests have put stays."""
    client = await connected(server, "revoker")
    revocations = Revocations(client)
    await revocations.declare(1)
    await revocations.fill([])
    yield revocations
    await client.close()


@pytest.fixture
async def revocations(nats_server: NatsServer) -> AsyncIterator[Revocations]:
    async with revoking(nats_server) as found:
        yield found


@pytest.fixture
async def signer(nats_server: NatsServer) -> AsyncIterator[Signer]:
    responder = await connected(nats_server, "responder")
    found = Signer()
    await found.serve(responder)
    yield found
    await responder.close()


@pytest.fixture
async def verifier(
    nats_server: NatsServer, signer: Signer, revocations: Revocations
) -> AsyncIterator[AsyncTokenVerifier]:
    async with AsyncTokenVerifier(nats_server.url) as made:
        yield made


def refused(verifier: AsyncTokenVerifier | TokenVerifier, token: str) -> bool:
    """For good, and not because nothing is known just now."""
    try:
        verifier.verify(token)
    except TokenInvalid:
        return True
    except StaleRead:
        return False
    return False


def stale(verifier: AsyncTokenVerifier | TokenVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except StaleRead:
        return True
    except TokenInvalid:
        return False
    return False


async def test_valid_token_names_its_user(verifier: AsyncTokenVerifier, signer: Signer) -> None:
    user, session = user_id(), session_id()
    claims = verifier.verify(signer.sign(user, session, position=7))
    assert isinstance(claims, TokenClaims)
    assert (claims.user_id, claims.session_id, claims.position) == (user, session, 7)


async def test_token_of_another_key_issuer_or_audience_is_refused(
    verifier: AsyncTokenVerifier, signer: Signer, nats_server: NatsServer
) -> None:
    forged = Signer([new_key()])
    forged.keys[-1] = type(forged.keys[-1]).import_key({**forged.keys[-1].as_dict(private=True), "kid": signer.key_id})
    assert refused(verifier, forged.sign(user_id()))
    assert refused(verifier, "x.y.z")
    async with AsyncTokenVerifier(nats_server.url, audience="another") as other:
        assert refused(other, signer.sign(user_id()))


async def test_revoked_token_is_refused_and_others_are_not(
    verifier: AsyncTokenVerifier, signer: Signer, revocations: Revocations
) -> None:
    user, session = user_id(), session_id()
    before, after = signer.sign(user, position=10), signer.sign(user, position=12)
    other = signer.sign(user_id(), position=10)
    of_session = signer.sign(user_id(), session, position=10)
    await revocations.put_ended(Ended(user, None, 11))
    await revocations.put_ended(Ended("", session))
    await within(1, lambda: refused(verifier, before) and refused(verifier, of_session))
    verifier.verify(after)
    verifier.verify(other)


async def test_token_signed_by_a_revoked_key_is_refused(
    verifier: AsyncTokenVerifier, signer: Signer, revocations: Revocations
) -> None:
    token = signer.sign(user_id())
    verifier.verify(token)
    await revocations.put_key(signer.key_id)
    await within(1, lambda: refused(verifier, token))


async def test_new_verifier_knows_earlier_revocations(
    nats_server: NatsServer, signer: Signer, revocations: Revocations
) -> None:
    """More than fits into one page of the bucket."""
    users = [user_id() for _ in range(2500)]
    for first in range(0, len(users), 100):  # Each call has a time-out of its own.
        await revocations.put([Revocation(f"user.{user}", 5) for user in users[first : first + 100]])
    client, watch = await connected(nats_server, "frontend"), Watch()
    await watch.prove(client, 5)
    assert watch.fresh_at > 0, "all pages are read at once"
    await client.close()
    async with AsyncTokenVerifier(nats_server.url) as verifier:
        assert all(refused(verifier, signer.sign(user, position=4)) for user in users[::50] + users[-1:])
        verifier.verify(signer.sign(users[0], position=6))


async def test_later_of_two_racing_revocations_stays(
    nats_server: NatsServer, signer: Signer, revocations: Revocations
) -> None:
    user = user_id()
    await asyncio.gather(*(revocations.put_ended(Ended(user, None, position)) for position in (3, 9, 5, 8, 1, 9, 2)))
    await revocations.put_ended(Ended(user, None, 4))
    async with AsyncTokenVerifier(nats_server.url) as verifier:
        assert refused(verifier, signer.sign(user, position=8))
        verifier.verify(signer.sign(user, position=9))


async def test_new_key_is_fetched_when_a_token_names_it(verifier: AsyncTokenVerifier, signer: Signer) -> None:
    signer.keys.append(new_key())
    token = signer.sign(user_id())
    assert stale(verifier, token), "the caller is asked to try again, not told that the token is bad"
    await within(5, lambda: not stale(verifier, token))
    verifier.verify(token)
    unknown = Signer().sign(user_id())
    await within(10, lambda: not stale(verifier, unknown))
    assert refused(verifier, unknown), "of a key that is not published"
    assert refused(verifier, unknown), "and that stays so"


async def test_new_key_is_found_while_unknown_keys_are_fetched(verifier: AsyncTokenVerifier, signer: Signer) -> None:
    """Keys that were fetched a moment ago may lack a new one: no token is called bad because they are young."""
    for _ in range(3):
        invented = Signer().sign(user_id())
        await within(10, partial(refused, verifier, invented))  # From now on they are young.
        signer.keys.append(new_key())
        token = signer.sign(user_id())
        assert stale(verifier, token)
        for _ in range(2000):
            assert stale(verifier, Signer().sign(user_id())), "nor for that many"
        await within(10, lambda: not stale(verifier, signer.sign(user_id())))
        verifier.verify(token)


@pytest.mark.parametrize("fault", ["cut", "hang"])
async def test_verifier_that_hears_nothing_refuses_in_time(
    nats_server: NatsServer, signer: Signer, revocations: Revocations, fault: str
) -> None:
    user = user_id()
    token, other = signer.sign(user, position=1), signer.sign(user_id())
    async with Gate(nats_server.port).running() as gate, AsyncTokenVerifier(gate.url, stale_after=1.5) as verifier:
        verifier.verify(token)
        with takes_less_than(1.6):
            gate.cut() if fault == "cut" else gate.hang()
            await revocations.put_ended(Ended(user, None, 2))
            verifier.verify(token)  # It cannot know yet, and goes by what it knows for so long.
            await within(20, lambda: stale(verifier, token))
        assert stale(verifier, other)
        await gate.open()
        await within(20 if fault == "hang" else 5, lambda: not stale(verifier, other))
        assert refused(verifier, token), "nothing is taken before what was missed is known"
        verifier.verify(other)


async def test_lost_revocation_is_noticed_within_a_second(
    verifier: AsyncTokenVerifier, signer: Signer, revocations: Revocations
) -> None:
    """The live message is lost on its way; the sequence number tells, and the bucket is read."""
    live = verifier._watch._live  # pyright: ignore[reportPrivateUsage]
    assert live is not None
    await live.unsubscribe()
    user = user_id()
    token = signer.sign(user, position=1)
    await revocations.put_ended(Ended(user, None, 2))
    verifier.verify(token)
    await within(1.5, lambda: refused(verifier, token))


async def test_verifier_of_an_old_copy_of_the_bucket_is_not_fresh(
    nats_server: NatsServer, revocations: Revocations
) -> None:
    """In a cluster any replica answers, also one that is behind."""

    class Behind(Watch):
        behind = False

        async def _read_on(self, client: Client, seconds: float) -> bool:
            return not self.behind and await super()._read_on(client, seconds)

        async def _on_live(self, message: Msg) -> None:
            pass

    client, watch = await connected(nats_server, "subscriber"), Behind()
    await watch.prove(client, 2)
    proved = watch.fresh_at
    watch.behind = True
    await watch.prove(client, 2)
    assert watch.fresh_at > proved, "there was nothing more to know"
    proved = watch.fresh_at
    await revocations.put_ended(Ended(user_id(), None, 1))
    await watch.prove(client, 2)
    assert watch.fresh_at == proved
    watch.behind = False
    await watch.prove(client, 2)
    assert watch.fresh_at > proved
    await client.close()


async def test_verifier_refuses_all_before_the_bucket_is_filled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An empty bucket is what remains of one whose files were lost."""
    from services.embedded.home import Home
    from services.embedded.nats import Nats
    from tests.support.servers import running

    home = Home(tmp_path_factory.mktemp("empty"))
    home.create()
    server = Nats(home, 0)
    with running(server, home.path / "nats.log"):
        responder, revoker = await connected(server, "responder"), await connected(server, "revoker")
        signer, revocations = Signer(), Revocations(revoker)
        await signer.serve(responder)
        verifier = AsyncTokenVerifier(server.url)
        with pytest.raises(NoAnswer):
            await verifier.connect(0.5)
        await revocations.declare(1)
        with pytest.raises(NoAnswer):
            await verifier.connect(1.5)
        with pytest.raises(StaleRead):
            verifier.verify(signer.sign(user_id()))
        user = user_id()
        await revocations.fill([Revocation(f"user.{user}", 3)])
        await verifier.connect()
        assert refused(verifier, signer.sign(user, position=2))
        verifier.verify(signer.sign(user, position=3))
        await verifier.close()
        with pytest.raises(StaleRead):
            verifier.verify(signer.sign(user, position=3))
        await responder.close()
        await revoker.close()


async def test_forged_jetstream_answer_revokes_no_token(
    nats_server: NatsServer, verifier: AsyncTokenVerifier, signer: Signer, revocations: Revocations
) -> None:
    """A reader of the bucket chooses where the answer goes, so the answer counts by its content, not by its subject."""
    victim, other = user_id(), user_id()
    token = signer.sign(victim, position=1)
    await revocations.put_ended(Ended(other, None, 9))
    heard: list[str] = []

    async def note(message: object) -> None:
        heard.append(getattr(message, "subject", ""))

    listener = await connected(nats_server, "backend")
    await listener.subscribe("users.v1.revocation.>", cb=note)
    await listener.flush()
    for user in ("frontend", "backend"):
        attacker = await connected(nats_server, user)
        last = b'{"last_by_subj":"$KV.users_revocations.user.%s"}' % other.encode()
        await attacker.publish(
            "$JS.API.DIRECT.GET.KV_users_revocations", last, reply=f"users.v1.revocation.user.{victim}"
        )
        await attacker.flush()
        await attacker.close()
    await within(2, lambda: heard.count(f"users.v1.revocation.user.{victim}") == 2)
    await revocations.put_ended(Ended("", session_id()))
    await within(2, lambda: len(heard) >= 3)
    verifier.verify(token)
    await listener.close()


@pytest.mark.parametrize("user", ["backend", "frontend", "subscriber"])
async def test_blocking_verifier_works_as_each_nats_user(
    nats_server: NatsServer, signer: Signer, revocations: Revocations, user: str
) -> None:
    blocked = user_id()
    token = signer.sign(blocked, position=1)
    verifier = TokenVerifier(nats_server.url, user=user, password=nats_server.passwords[user])
    await asyncio.to_thread(verifier.connect)
    assert verifier.verify(token).user_id == blocked
    await revocations.put_ended(Ended(blocked, None, 2))
    await within(1, lambda: refused(verifier, token))
    await asyncio.to_thread(verifier.close)
    await asyncio.to_thread(verifier.close)
    assert stale(verifier, token)


def test_package_without_verifier_needs_no_jose_library() -> None:
    code = "import sys; sys.modules['joserfc'] = None; import denizen; print(denizen.Client.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Client", done.stderr


async def test_example_service_admits_signed_in_users_only(
    nats_server: NatsServer, signer: Signer, revocations: Revocations
) -> None:
    user = user_id()
    token = signer.sign(user, position=1)
    serve = [sys.executable, str(REPOSITORY / "examples/protected_http/serve.py"), "0"]
    environment = {**os.environ, "DENIZEN_NATS_URL": nats_server.url}
    process = await asyncio.create_subprocess_exec(
        *serve, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), 10)).decode().strip()

    async def get(authorization: str) -> tuple[int, bytes]:
        request = urllib.request.Request(url, headers={"Authorization": authorization})
        try:
            with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, b""

    status, body = await get(f"Bearer {token}")
    assert (status, json.loads(body)["userId"]) == (200, user)
    assert [(await get(each))[0] for each in ("", "Bearer", f"Basic {token}", f"Bearer {token}x")] == [401] * 4
    await revocations.put_ended(Ended(user, None, 2))
    with takes_less_than(1):
        while (await get(f"Bearer {token}"))[0] != 401:
            pass
    process.terminate()
    await process.wait()


async def test_malformed_bucket_key_raises(revocations: Revocations) -> None:
    for bad in ("user_*", ">", "a b", "a.b", "", "a\r\nPUB x 0", secrets.token_hex(100)):
        with pytest.raises(ValueError, match="key"):
            await revocations.put_ended(Ended(bad, None, 1))


@asynccontextmanager
async def twenty(url: str) -> AsyncGenerator[Verifiers]:
    """In threads, as the keys that they ask for are served by this process."""
    processes = verifiers(url, 20)
    them = await asyncio.to_thread(processes.__enter__)
    try:
        yield them
    finally:
        await asyncio.to_thread(processes.__exit__, None, None, None)


@pytest.mark.slow
async def test_revocation_reaches_twenty_processes_at_once(
    nats_server: NatsServer, signer: Signer, revocations: Revocations
) -> None:
    """From the put to the last refusal; the bound leaves room for the machine's other work."""
    async with twenty(nats_server.url) as them:
        users = [user_id() for _ in range(200)]
        for user in users:
            await asyncio.to_thread(them.hold, user, signer.sign(user, position=1))
        latencies: list[float] = []
        for user in users:
            began = time.monotonic()
            await revocations.put_ended(Ended(user, None, 2))
            latencies.append(1000 * (await asyncio.to_thread(them.refused_at, user) - began))
    latencies.sort()
    print(f"put to last refusal: p50 {latencies[100]:.1f} ms, p99 {latencies[198]:.1f} ms")
    assert latencies[100] < 50, "the p99 is the bench's to tell, on a machine with nothing else to do"

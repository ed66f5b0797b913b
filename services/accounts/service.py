"""The program `denizen run accounts`: answers commands. Queries are the directory's, by `Operation.service`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from denizen.operations import OPERATIONS

from services.accounts.answers import Answers
from services.accounts.block_ends import BlockEnds
from services.accounts.guessing.guess_queue import Guesses
from services.accounts.guessing.rate_limits import RateLimits
from services.accounts.handlers import ROWS
from services.accounts.intake import Intake
from services.accounts.long_streams import fold_long
from services.accounts.pending import PendingCommand
from services.accounts.rounds import Rounds
from services.accounts.tools import Tools
from services.endpoint.server import RequestServer
from services.eventstore.credentials.store import SecretStore
from services.eventstore.keys import data_keys as keys
from services.eventstore.log import address_keys
from services.eventstore.log.postgres import PostgresEventStore
from services.passwords import dearest as dearest_hash
from services.passwords.pool import HashingPool
from services.platform import broker
from services.platform.batching import Batcher
from services.platform.database import LOST, Database, DatabaseUnavailable
from services.platform.settings import Settings
from services.platform.signal import Signal
from services.tokens.bearer import Bearers
from services.tokens.keys import ServerKeys
from services.tokens.revocations import RevocationFailed, Revocations

_BATCH = 256
_APART_SECONDS = 0.005
"""From append to append while commands keep coming: each takes 2 ms of processor time whatever its size. At 2,000/s it
saved 0.4 of a core, all processes together, and cost the commands 1.5 ms (p50; their p99 fell). After
an append that took longer there is a rest of as much (decision 33), so that more commands share the next one."""
_WAITING = 4096
"""Commands that wait to be decided: about half a second's work. Those that come later are refused as `overloaded`."""
_FORGET_SECONDS = 60
_KEYS_SECONDS = 2


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until `stop` is set, then answer all that was accepted. Raises where it cannot start."""
    ring = keys.load(settings)
    store = PostgresEventStore(settings, ring, "accounts", role="accounts")
    await store.check_keys()
    await address_keys.renew(settings, ring, "accounts")
    signals = await broker.connect(settings, "signal")
    revoker = await broker.connect(settings, "revoker")
    revocations = Revocations(revoker)
    await revocations.declare(settings.stream_replicas)
    ours = [operation for operation in OPERATIONS.values() if operation.service == "accounts"]
    server = RequestServer(settings, ours, ring, hot={row.request for row in ROWS if row.hot})
    pool = HashingPool(settings)
    dearest = max(dearest_hash.seconds(settings.imported_bcrypt_cost), pool.hash_seconds)
    answers = Answers(server, revocations, dearest)
    announce = _announce(Signal(signals, settings, "log"), Signal(signals, settings, "mail"))
    rounds = Rounds(store, answers, announce)
    batcher = Batcher[PendingCommand](rounds.run, most=_BATCH, capacity=_WAITING, apart=_APART_SECONDS)
    published = Database(settings, "accounts keys", role="accounts")
    sessions = Database(settings, "accounts sessions", role="accounts")
    secrets = SecretStore(settings, ring, "accounts", role="accounts")
    blocks = BlockEnds(settings, ring, secrets, announce)
    rate_limits = RateLimits(settings, ring)
    tools = Tools(
        settings=settings,
        store=store,
        users=rounds.users,
        secrets=secrets,
        ring=ring,
        keys=ServerKeys(published, settings, ring),
        pool=pool,
        rate_limits=rate_limits,
        guesses=Guesses(rate_limits, secrets, pool, dearest),
    )
    bearers = Bearers(sessions, tools.keys, settings)
    intake = Intake(tools, bearers, batcher, answers)
    await tools.keys.signing()

    async with asyncio.TaskGroup() as tasks:
        upkeep = fold_long(store, rounds.users), _forget(store, secrets), _watch_keys(tools.keys, revocations)
        running = [tasks.create_task(each) for each in (batcher.run(), blocks.run(), *upkeep)]
        await server.start(intake.accept, intake.full)
        ready()
        await stop.wait()
        await server.stop_receiving()
        await _drained(intake, batcher, rounds, answers)
        for task in running:
            task.cancel()
    await server.close()
    await pool.close()
    for client in (signals, revoker):
        await broker.disconnect(client)
    for closing in (store, blocks, tools.secrets, tools.rate_limits, published, sessions):
        await closing.close()


class _Stage(Protocol):
    async def drained(self) -> None: ...


async def _drained(*stages: _Stage) -> None:
    """Wait until all that was accepted is answered; a request goes through the stages in this order."""
    for stage in stages:
        await stage.drained()


def _announce(log: Signal, mail: Signal) -> Callable[[bool], Awaitable[None]]:
    """Makes the function that wakes the services that follow the log, and the mailer if mails were stored."""

    async def announce(mails: bool) -> None:
        await log.send()
        if mails:
            await mail.send()

    return announce


async def _forget(store: PostgresEventStore, secrets: SecretStore) -> None:
    """Drop what is too old to be of use: outcomes, jobs of imports, sessions, codes, limits."""
    while True:
        for forget in (store.forget_commands, store.forget_imports, secrets.forget):
            with contextlib.suppress(DatabaseUnavailable, *LOST):
                while await forget():
                    pass
        await asyncio.sleep(_FORGET_SECONDS)


async def _watch_keys(keys: ServerKeys, revocations: Revocations) -> None:
    """Have verifiers refuse what a dropped key has signed: `denizen keys rotate-signing --at-once` is an emergency.

    All of them each time: they may have been dropped while no such process ran, and NATS may have lost them.
    """
    while True:
        with contextlib.suppress(DatabaseUnavailable, *LOST, RevocationFailed):
            for key_id in await keys.dropped():
                await revocations.put_key(key_id)
        await asyncio.sleep(_KEYS_SECONDS)

"""Ends the blocks that were made with an end, at most a few seconds after it has come."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import uuid_utils
from denizen import messages as m
from denizen.operations import OPERATIONS

from services.accounts.pending import Answer, PendingCommand
from services.accounts.rounds import Rounds
from services.domain.commands import EndBlock
from services.domain.refusals import Refusal
from services.endpoint.call import Call
from services.eventstore.credentials.store import SecretStore
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.postgres import PostgresEventStore
from services.platform.database import LOST, DatabaseUnavailable
from services.platform.settings import Settings

log = logging.getLogger(__name__)

ACTOR = "denizen"
"""The one who ends them, for the history."""
_PAUSE_SECONDS = 1
_AT_ONCE = 256
_FIRST = datetime.min.replace(tzinfo=UTC), ""


class BlockEnds:
    """Finds the blocks whose end has come, and ends them like an operator would.

    Several processes may do so at the same time: the one that comes second finds the block ended.
    """

    def __init__(
        self, settings: Settings, ring: KeyRing, secrets: SecretStore, appended: Callable[[bool], Awaitable[None]]
    ) -> None:
        """`appended` as of Rounds."""
        self._secrets = secrets
        self._store = PostgresEventStore(settings, ring, "accounts block ends", role="accounts")
        self._rounds = Rounds(self._store, self._note, appended)
        self._done: list[EndBlock] = []
        self._failed: list[str] = []

    async def close(self) -> None:
        await self._store.close()

    async def run(self) -> None:
        """Look every second until cancelled. After an outage, all blocks are ended whose end came in it."""
        while True:
            try:
                await self._end_due()
            except (DatabaseUnavailable, *LOST):
                pass  # It is logged by the requests that meet it, and passes.
            except Exception as error:  # noqa: BLE001 - accounts answers requests all the same
                log.error("block_ends_failed", extra={"error": type(error).__name__})
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _end_due(self) -> None:
        after = _FIRST
        while due := await self._secrets.due_block_ends(after, _AT_ONCE):
            commands = [EndBlock(*each) for each in due]
            await self._end(commands)
            if self._failed:
                # One that cannot be read fails the whole batch.
                for command in commands:
                    await self._end([command])
            after = due[-1][1], due[-1][0]

    async def _end(self, commands: Sequence[EndBlock]) -> None:
        """Raises DatabaseUnavailable where the log is out of reach: the ends wait for the next look."""
        self._done, self._failed = [], []
        await self._rounds.run([_pending(command) for command in commands])
        await self._rounds.drained()
        if self._done:
            # Most are gone with the block. A service of the version before may have taken a block away without its end.
            await self._secrets.forget_block_ends([(each.user_id, each.until) for each in self._done])
        if "overloaded" in self._failed:
            raise DatabaseUnavailable
        if self._failed and len(commands) == 1:
            log.error("block_not_ended", extra={"code": self._failed[0]})

    async def _note(self, pending: PendingCommand, answer: Answer) -> None:
        assert isinstance(pending.command, EndBlock)
        if isinstance(answer.said, Refusal) and answer.said.code != "user_not_found":
            self._failed.append(answer.said.code)
        else:
            self._done.append(pending.command)


def _pending(command: EndBlock) -> PendingCommand:
    call = Call(
        operation=OPERATIONS["UnblockUser"],
        request=m.UnblockUser(user_id=command.user_id),
        reply_to="",
        command_id=str(uuid_utils.uuid7()),
        repeatable=False,
        expected_version=None,
        deadline=None,
        actor=ACTOR,
        traceparent=None,
    )
    return PendingCommand(call, command)

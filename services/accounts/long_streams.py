"""Folds the long streams that were written before there were snapshots, so that no request has to wait for it."""

import asyncio
import contextlib
import logging

from services.accounts.users import UserReader
from services.eventstore.log.postgres import PostgresEventStore
from services.platform.database import LOST, DatabaseUnavailable

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.1
"""Pause between a thousand users and the next: a million users take two minutes, at little cost to requests."""


async def fold_long(store: PostgresEventStore, users: UserReader) -> None:
    """Fold the stream of each user that has no snapshot, once."""
    after: str | None = ""
    while after is not None:
        with contextlib.suppress(DatabaseUnavailable, *LOST):
            last, long = await store.long_streams(after)
            for user_id in long:
                await _fold(users, user_id)
            after = last
        await asyncio.sleep(_PAUSE_SECONDS)


async def _fold(users: UserReader, user_id: str) -> None:
    try:
        await users.user(user_id)
    except (DatabaseUnavailable, *LOST):
        raise
    except Exception as error:  # noqa: BLE001 - commands on this user will say so; the others are folded all the same
        log.error("fold_failed", extra={"error": type(error).__name__})

"""Gives every request an answer, whatever happens while it is worked on."""

import logging
import time
from collections.abc import Awaitable, Callable

import psycopg

from services.domain import refusals
from services.domain.refusals import Refusal
from services.eventstore.log.store import OutcomeUnknown
from services.platform import causes
from services.platform.database import LOST, DatabaseUnavailable

log = logging.getLogger(__name__)

_QUIET_SECONDS = 10.0
"""One cause refuses many requests; the log has it once in this time."""
_MOST_CAUSES = 100
_told: dict[str, float] = {}
"""When each cause was logged last."""


async def answering(work: Awaitable[None], refuse: Callable[[Refusal], Awaitable[None]]) -> None:
    """Await work that answers requests. Where it raises, `refuse` answers those that are left, with the reason."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - the caller gets an answer, whatever it is
        refusal = refusal_of(error)
    else:
        return
    await refuse(refusal)


def refusal_of(error: Exception) -> Refusal:
    """The answer to a request whose work raised an error. Logs an unexpected error."""
    match error:
        case Refusal():
            # The traceback holds the frames that raised it, and they hold the request: a flood would fill the memory.
            return error.with_traceback(None)
        case OutcomeUnknown():
            return refusals.outcome_unknown()
        case _ if isinstance(error, (DatabaseUnavailable, *LOST)):
            _tell_cause(error)
            return refusals.database_unavailable()
        case _:
            log.error("request_failed", exc_info=error)
            return refusals.failed()


def _tell_cause(error: Exception) -> None:
    """Log why PostgreSQL does not do its work: callers are told only that it does not."""
    cause = error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error
    reason, now = causes.sentence(cause), time.monotonic()
    if len(_told) > _MOST_CAUSES:
        _told.clear()
    if now - _told.get(reason, -_QUIET_SECONDS) >= _QUIET_SECONDS:
        _told[reason] = now
        log.warning("database_unavailable", extra={"reason": reason})

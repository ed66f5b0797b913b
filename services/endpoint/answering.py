"""Gives every request an answer, whatever happens while it is worked on."""

import logging
from collections.abc import Awaitable, Callable

from services.domain import refusals
from services.domain.refusals import Refusal
from services.eventstore.log.store import OutcomeUnknown
from services.platform.database import LOST, DatabaseUnavailable

log = logging.getLogger(__name__)


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
        case DatabaseUnavailable():
            return refusals.database_unavailable()
        case _ if isinstance(error, LOST):
            return refusals.database_unavailable()
        case _:
            log.error("request_failed", exc_info=error)
            return refusals.failed()

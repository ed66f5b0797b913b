"""The errors of JetStream: their numbers, and the client's exceptions for them."""

from collections.abc import Mapping
from typing import Any

from denizen.errors import JetStreamUnavailable, NoAnswer
from nats.errors import NoRespondersError
from nats.js.errors import APIError, ServiceUnavailableError

WRONG_LAST_SEQUENCE = 10071
"""The error number of JetStream for a message that does not follow the one that it names."""
_NOT_ENABLED = (10039, 10076)
"""Error numbers of JetStream: not enabled for the account, not enabled for the server."""


def failure(what: str, error: Exception) -> NoAnswer:
    """The exception for the caller. `what`: what was asked for, such as `the stream USERS_EVENTS`."""
    if isinstance(error, NoAnswer):
        return error
    if isinstance(error, NoRespondersError | ServiceUnavailableError) or (
        isinstance(error, APIError) and error.err_code in _NOT_ENABLED
    ):
        return _unavailable(what)
    said = error.description if isinstance(error, APIError) else None
    return NoAnswer(f"{what} is out of reach: {said or error}")


def refuse_unavailable(what: str, answer: Mapping[str, Any]) -> None:
    """Look at an answer of JetStream's API. Raises JetStreamUnavailable."""
    if answer.get("error", {}).get("err_code") in _NOT_ENABLED:
        raise _unavailable(what)


def _unavailable(what: str) -> JetStreamUnavailable:
    return JetStreamUnavailable(f"{what} is out of reach: NATS runs without JetStream, or without it for this user")

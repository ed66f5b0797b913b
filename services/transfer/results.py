"""The results of rows of an import, as the contract has them."""

from collections.abc import Sequence

from services.domain import refusals
from services.domain.refusals import Refusal
from services.domain.values import Json


def done(index: int, status: str, user_id: str | None = None) -> Json:
    """The result of a row that did not fail."""
    if user_id is None:
        return {"index": index, "status": status}
    return {"index": index, "status": status, "userId": user_id}


def updated(index: int, user_id: str, kept: Sequence[str]) -> Json:
    """`kept`: the fields that stay as they are, because users or operators decided on them."""
    result = done(index, "updated", user_id)
    return result | {"notChanged": list(kept)} if kept else result


def forgotten(index: int) -> Json:
    """The result of a row that ran, and whose outcome is not kept any more."""
    refusal = refusals.row_outcome_forgotten()
    return failed(index, refusal) | {"status": "skipped"}


def failed(index: int, refusal: Refusal) -> Json:
    """Without details: those of a thousand rows would be more than NATS passes."""
    error = refusal.body()["error"]
    error.pop("details", None)
    return {"index": index, "status": "failed", "error": error}

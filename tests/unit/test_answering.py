"""Every request gets an answer, whatever happens while it is worked on."""

import gc
import weakref

import psycopg
import pytest

from services.domain.refusals import Refusal
from services.endpoint.answering import answering, refusal_of
from services.eventstore.log.store import OutcomeUnknown
from services.platform.database import DatabaseUnavailable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refusal("email_taken", "another user has this email"), "email_taken"),
        (DatabaseUnavailable(), "overloaded"),
        (psycopg.OperationalError("gone"), "overloaded"),
        (OutcomeUnknown("in mid-commit"), "internal"),
        (ValueError("a secret"), "internal"),
    ],
)
async def test_work_that_fails_is_answered_with_its_reason(error: Exception, code: str) -> None:
    refused: list[Refusal] = []

    async def work() -> None:
        raise error

    async def refuse(refusal: Refusal) -> None:
        refused.append(refusal)

    await answering(work(), refuse)
    (refusal,) = refused
    assert refusal.code == code
    assert "secret" not in refusal.message


def test_cause_of_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The caller is told only that PostgreSQL does not do its work."""
    for _ in range(3):
        lost = DatabaseUnavailable("nothing was stored")
        lost.__cause__ = psycopg.errors.DiskFull("could not extend file: a secret")
        assert refusal_of(lost).code == "overloaded"
    (record,) = caplog.records
    assert record.__dict__["reason"] == "the disk of PostgreSQL is full: make room"


async def test_work_that_succeeds_is_not_refused() -> None:
    async def work() -> None:
        pass

    async def refuse(refusal: Refusal) -> None:
        raise AssertionError(refusal)

    await answering(work(), refuse)


class Request:
    """Something that must not stay in memory."""


async def test_refusal_keeps_no_frame_of_its_request_alive() -> None:
    """Else a flood of refused requests fills the memory until the garbage collector comes."""
    kept: list[Refusal] = []
    seen: list[weakref.ref[Request]] = []

    async def work() -> None:
        request = Request()
        seen.append(weakref.ref(request))
        raise Refusal("validation_failed", "wrong")

    async def refuse(refusal: Refusal) -> None:
        kept.append(refusal)

    gc.disable()
    try:
        await answering(work(), refuse)
        assert kept
        assert seen[0]() is None
    finally:
        gc.enable()


def test_unexpected_error_is_logged_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    refusal_of(ValueError("a secret"))
    assert [record.getMessage() for record in caplog.records] == ["request_failed"]

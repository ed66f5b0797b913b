"""The rows of requests: one for each, and each complete."""

from collections import Counter

import pytest
from denizen.operations import OPERATIONS, Operation

from services.accounts.handlers import HANDLERS, ROWS
from services.accounts.handlers.handler import HandlerRow
from services.domain.sessions import ENDING_COMMANDS

OURS = [operation for operation in OPERATIONS.values() if operation.service == "accounts"]


@pytest.mark.parametrize("operation", OURS, ids=lambda operation: operation.id)
def test_operation_of_accounts_has_exactly_one_row(operation: Operation) -> None:
    assert [row for row in ROWS if row.request is operation.request] == [HANDLERS[operation.request]]


def test_rows_are_of_operations_of_accounts() -> None:
    assert {row.request for row in ROWS} == {operation.request for operation in OURS}


def test_command_is_made_by_one_row() -> None:
    made = Counter(kind for row in ROWS for kind in (row.request, *row.makes))
    assert set(made.values()) == {1}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.request.__name__)
def test_row_says_how_its_request_is_decided(row: HandlerRow) -> None:
    """By a decision, or as what becomes of it: another command, by its preparation or for a signed-in user."""
    assert row.decide is not None or row.prepare is not None or row.own is not None


def test_accounts_answers_no_queries() -> None:
    assert not [operation.id for operation in OURS if operation.reads]


def test_every_command_that_ends_sessions_has_a_row() -> None:
    assert set(ENDING_COMMANDS) <= set(HANDLERS)

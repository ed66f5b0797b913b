"""Opaque positions: of one length, never twice the same, and no other party can make one."""

import re

import pytest
from denizen import headers as h
from denizen.operations import OPERATIONS
from hypothesis import given
from hypothesis import strategies as st

from services.domain.refusals import Refusal
from services.endpoint.call import understand
from services.endpoint.opaque_positions import Positions
from tests.support.log import ring, user_id

POSITIONS = Positions(ring(), "denizen")


@given(st.integers(0, 2**63 - 1))
def test_opaque_position_is_opened_by_every_service_of_the_cell(position: int) -> None:
    text = POSITIONS.sealed(position)
    assert re.fullmatch(h.OPAQUE_POSITION_FORM, text)
    assert Positions(ring(), "denizen").opened(text, "cursor") == position
    assert POSITIONS.sealed(position) != text
    assert max(0, int(text)) == 0, "the client of the version before reads it, and passes over it"


@pytest.mark.parametrize(
    "forged",
    ["-" + "0" * 116, "-" + "9" * 116, "12", "", "latest", "-1", "-" + "1" * 117, "-" + "\u0661" * 116],
)
def test_opaque_position_that_is_forged_is_refused(forged: str) -> None:
    with pytest.raises(Refusal) as refused:
        POSITIONS.opened(forged, "cursor")
    assert (refused.value.code, refused.value.field) == ("validation_failed", "cursor")


@given(st.integers(1, 116), st.integers(1, 9))
def test_opaque_position_with_a_changed_digit_is_refused(place: int, by: int) -> None:
    text = POSITIONS.sealed(1207)
    changed = text[:place] + str((int(text[place]) + by) % 10) + text[place + 1 :]
    with pytest.raises(Refusal):
        POSITIONS.opened(changed, "cursor")


@pytest.mark.parametrize("other", [Positions(ring(), "other"), Positions(ring(claims=9), "denizen")])
def test_opaque_position_of_another_cell_or_key_is_refused(other: Positions) -> None:
    with pytest.raises(Refusal):
        POSITIONS.opened(other.sealed(1), "cursor")


@pytest.mark.parametrize("text", ["-5", "next", "1.0", "-" + "1" * 115, "12, 13"])
def test_malformed_min_position_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        understand(OPERATIONS["GetUser"], "_INBOX.a", {h.MIN_POSITION: text}, b'{"userId":"%b"}' % user_id().encode())
    assert (refused.value.code, refused.value.field) == ("validation_failed", h.MIN_POSITION)


def test_min_position_as_a_number_is_latest_for_a_user() -> None:
    """By waiting or not, a number would tell how far the log is."""
    for number in ("1", "9" * 18):
        call = understand(OPERATIONS["SelfGetMe"], "_INBOX.a", {h.MIN_POSITION: number}, b"{}")
        assert (call.min_position, call.latest) == (0, True)

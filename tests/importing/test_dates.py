"""Times are read in the forms that databases, directories and spreadsheets write, and never guessed."""

from datetime import UTC, datetime

import pytest
from denizen.importing.dates import AMBIGUOUS, DateOrder, moment
from hypothesis import given, settings
from hypothesis import strategies as st

WANTED = datetime(2024, 1, 22, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-22T15:04:05Z",
        "2024-01-22 15:04:05+00",
        "2024-01-22 16:04:05 +0100",
        "2024-01-22 15:04:05 UTC",
        "2024-01-22T15:04:05.000000000Z",
        "1705935845",
        "1705935845000",
        "1705935845000000",
        1705935845,
        1705935845000,
        1705935845.0,
        "45313.62783564815",
        "45313,62783564815",
        "20240122150405",
        "20240122150405Z",
        "20240122150405.0Z",
        "20240122160405+0100",
        "2024/01/22 15:04:05",
        "22.01.2024 15:04:05",
        "22.1.2024, 15:04:05",
        "22/01/2024 15:04:05",
        "1/22/2024 3:04:05 PM",
        "1/22/2024 3:04:05\u202fPM",
        "01/22/24 03:04:05 pm",
        "22-Jan-2024 15:04:05",
        "22-Jan-24 3:04:05 p.m.",
        "22 January 2024 15:04:05",
        "January 22, 2024 15:04:05",
        "Jan 22, 2024, 3:04:05 PM",
        "Mon, 22 Jan 2024 15:04:05 GMT",
        "Mon, 22 Jan 2024 16:04:05 +0100",
        "Mon Jan 22 2024 16:04:05 GMT+0100 (Central European Standard Time)",
    ],
)
def test_time_of_every_form_is_read(text: str | float) -> None:
    found = moment(text, None)
    assert found is not None
    assert found.replace(microsecond=0) == WANTED


@pytest.mark.parametrize("text", ["2024-01-22", "20240122", "22.01.2024", "22 Jan 2024", "1/22/2024", "45313"])
def test_day_without_clock_is_its_midnight(text: str) -> None:
    assert moment(text, None) == datetime(2024, 1, 22, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0000-00-00 00:00:00", "0001-01-01T00:00:00Z", "0001-01-01", "1601-01-01T00:00:00Z"])
def test_zero_times_are_no_time(text: str) -> None:
    assert moment(text, None) is None


@pytest.mark.parametrize("text", ["03/04/2024", "3/4/24 10:00", "03-04-2024"])
def test_day_and_month_are_never_guessed(text: str) -> None:
    with pytest.raises(ValueError, match=AMBIGUOUS):
        moment(text, None)
    orders: dict[DateOrder, int] = {"dmy": 4, "mdy": 3}
    for order, month in orders.items():
        found = moment(text, order)
        assert found is not None
        assert found.month == month


def test_date_of_another_order_than_named_is_refused() -> None:
    with pytest.raises(ValueError, match="month"):
        moment("1/22/2024", "dmy")
    assert moment("04/04/2024", None) == datetime(2024, 4, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "32.01.2024",
        "1/22/2024 13:00 PM",
        "22 Foo 2024",
        "9" * 17,
        "1e999",
        "24:00",
        "x" * 100,
        "²2/1/2024",
    ],
)
def test_text_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError, OSError)):
        moment(text, None)


@settings(max_examples=500)
@given(
    st.text(st.sampled_from("0123456789/.-: TZ+,apmAPMJanFebUTC()\u202f"), max_size=40) | st.floats() | st.integers()
)
def test_random_times_raise_nothing_else(value: str | float) -> None:
    try:
        found = moment(value, None)
    except (ValueError, ArithmeticError, OSError):
        return
    assert found is None or found.tzinfo is UTC or found.utcoffset() is not None

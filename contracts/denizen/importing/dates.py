"""Reads times as databases, directories, programs and spreadsheets write them."""

from __future__ import annotations

import re
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

DateOrder = Literal["dmy", "mdy"]

ORDER: ContextVar[DateOrder | None] = ContextVar("ORDER", default=None)
"""The order of day and month in the file at hand, if the caller named one. It is set only while one row is read."""
AMBIGUOUS = "is a date whose day and month cannot be told apart: use --dates dmy or --dates mdy"

_LONGEST = 80
_NUMBER = re.compile(r"-?[0-9]{1,16}(?:[.,][0-9]{1,15})?")
_CALENDAR = re.compile(r"((?:19|20)[0-9]{2})([01][0-9])([0-3][0-9])(?:([0-2][0-9])([0-5][0-9])([0-6][0-9])?)?")
_GENERALIZED = re.compile(_CALENDAR.pattern + r"(?:[.,]([0-9]{1,9}))?(Z|[+-][0-9]{2}(?:[0-9]{2})?)")
"""LDAP's GeneralizedTime (RFC 4517)."""
_CLOCK = (
    r"(?:[,T\s]\s*(?:at\s+)?(?P<hour>[0-9]{1,2})[:.](?P<minute>[0-9]{2})(?:[:.](?P<second>[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?)?(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|(?:UTC|GMT)?[+-][0-9]{2}:?[0-9]{2}|UTC|GMT)?)?(?:\s\([^()]{1,40}\))?"
)
_FORMS = (
    re.compile(r"(?P<year>[0-9]{4})[./-](?P<month>[0-9]{1,2})[./-](?P<day>[0-9]{1,2})" + _CLOCK),
    re.compile(r"(?P<one>[0-9]{1,2})(?P<sign>[./-])(?P<two>[0-9]{1,2})(?P=sign)(?P<year>[0-9]{4}|[0-9]{2})" + _CLOCK),
    re.compile(
        r"(?:[A-Za-z]{3,9},?\s+)?(?P<day>[0-9]{1,2})\.?[\s-]+(?P<name>[A-Za-z]{3,9})\.?,?[\s-]+"
        r"(?P<year>[0-9]{4}|[0-9]{2})" + _CLOCK
    ),
    re.compile(
        r"(?:[A-Za-z]{3,9},?\s+)?(?P<name>[A-Za-z]{3,9})\.?\s+(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?,?\s+"
        r"(?P<year>[0-9]{4})" + _CLOCK
    ),
)
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_NONE = ("0000-00-00", "0001-01-01", "1601-01-01")
"""How MySQL, Go and .NET, and Windows write that there is no time."""
_FIRST_SERIAL, _LAST_SERIAL = 25569, 73050
"""Days of a spreadsheet, counted from 1899-12-30, of the years 1970 to 2099."""


def moment(value: str | float, order: DateOrder | None) -> datetime | None:
    """The time that a value stands for, in UTC if it names no zone; None if it stands for no time.

    order: of day and month in forms such as 03/04/2024, where the value does not show it.

    Raises ValueError, with the message `AMBIGUOUS` if the value does not show it and there is no order.
    """
    if not isinstance(value, str):
        return _counted(value)
    text = value.strip()
    if text.startswith(_NONE):
        return None
    if len(text) > _LONGEST:
        raise ValueError("longer than any time")
    if text[4:5] != "-":  # What begins as ISO 8601 does is none of these; most times do.
        if found := _CALENDAR.fullmatch(text):
            year, month, day, hour, minute, second = (int(part) for part in found.groups(default="0"))
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        if _NUMBER.fullmatch(text):
            return _counted(float(text.replace(",", ".")))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _written(text, order)
    if moment.tzinfo is UTC:
        return moment
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _counted(number: float) -> datetime:
    """Days of a spreadsheet; seconds, milliseconds or microseconds since 1970, by how many there are."""
    if _FIRST_SERIAL <= number <= _LAST_SERIAL:
        return datetime(1899, 12, 30, tzinfo=UTC) + timedelta(seconds=round(number * 86400))
    size = abs(number)
    seconds = number if size < 1e11 else number / 1e3 if size < 1e14 else number / 1e6
    return datetime.fromtimestamp(seconds, UTC)


def _written(text: str, order: DateOrder | None) -> datetime:
    if found := _GENERALIZED.fullmatch(text):
        *parts, fraction, zone = found.groups(default="0")
        year, month, day, hour, minute, second = (int(part) for part in parts)
        return datetime(year, month, day, hour, minute, second, _micro(fraction), _zone(zone))
    for form in _FORMS:
        if found := form.fullmatch(text):
            return _of(found.groupdict(), order)
    raise ValueError("of no known form")


def _of(parts: dict[str, str | None], order: DateOrder | None) -> datetime:
    if parts.get("one"):
        day, month = _day_and_month(int(parts["one"] or 0), int(parts["two"] or 0), parts["sign"] or "", order)
    else:
        day = int(parts["day"] or 0)
        month = _month(parts["name"] or "") if "name" in parts else int(parts["month"] or 0)
    year = parts["year"] or ""
    # Two digits as POSIX has them: 69 to 99 are of the last century.
    full = int(year) if len(year) == 4 else int(year) + (1900 if int(year) >= 69 else 2000)
    hour = int(parts["hour"] or 0)
    if half := parts["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of twelve")
        hour = hour % 12 + (12 if half in "Pp" else 0)
    minute, second = int(parts["minute"] or 0), int(parts["second"] or 0)
    zone = _zone(parts["zone"] or "Z")
    return datetime(full, month, day, hour, minute, second, _micro(parts["fraction"] or "0"), zone)


def _day_and_month(one: int, two: int, sign: str, order: DateOrder | None) -> tuple[int, int]:
    if order is not None:
        return (one, two) if order == "dmy" else (two, one)
    if sign == "." or one > 12 or one == two:  # No country writes a month before a dot and a day.
        return one, two
    if two > 12:
        return two, one
    raise ValueError(AMBIGUOUS)


def _month(name: str) -> int:
    lowered = name.lower()
    for number, month in enumerate(_MONTHS, 1):
        if month.startswith(lowered) or (lowered == "sept" and number == 9):
            return number
    raise ValueError("no month")


def _micro(fraction: str) -> int:
    return int(fraction[:6].ljust(6, "0"))


def _zone(text: str) -> timezone:
    digits = text.removeprefix("UTC").removeprefix("GMT").replace(":", "")
    if digits in ("", "Z", "0"):
        return UTC
    minutes = int(digits[1:3]) * 60 + int(digits[3:] or 0)
    return timezone(timedelta(minutes=-minutes if digits[0] == "-" else minutes))

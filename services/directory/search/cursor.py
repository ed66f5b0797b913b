"""Cursors: where a page of a list ended."""

import base64
import re
from dataclasses import dataclass

import orjson
from denizen.messages import Sort

from services.domain import refusals
from services.domain.refusals import Refusal

_USER_ID = re.compile(r"user_[0-7][0-9a-hjkmnp-tv-z]{25}")
_KEY_LENGTH = 128
_MOST_FIRST = 8
"""Two, and again as many wherever another user has taken the address or external id meanwhile."""


@dataclass(frozen=True, slots=True)
class ListCursor:
    """A place in a list.

    Attributes:
        sort: of the list.
        key, user_id: of the last user shown in that order; empty where there was none yet.
        first: the users that were shown before all others, because they are exactly what was searched for.
    """

    sort: Sort
    key: str
    user_id: str
    first: tuple[str, ...] = ()

    def encode(self) -> str:
        """Base64url of JSON, without padding."""
        octets = orjson.dumps([self.sort, self.key, self.user_id, *self.first])
        return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def decode(text: str, sort: Sort) -> ListCursor:
    """The cursor of a list that is sorted so, to the letter what `encode` made. Raises Refusal."""
    try:
        made_for, key, user_id, *first = orjson.loads(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        )
    except (TypeError, ValueError):
        raise _refusal("is not a cursor of ours") from None
    ids = (*first, user_id) if user_id else tuple(first)
    well_formed = (
        isinstance(key, str)
        and len(key) <= _KEY_LENGTH
        and "\0" not in key
        and len(first) <= _MOST_FIRST
        and all(isinstance(each, str) and _USER_ID.fullmatch(each) for each in ids)
    )
    cursor = ListCursor(made_for, key, user_id, tuple(first))
    if not well_formed or cursor.encode() != text:
        raise _refusal("is not a cursor of ours")
    if cursor.sort != sort:
        raise _refusal("belongs to a list that is sorted otherwise")
    return cursor


def _refusal(message: str) -> Refusal:
    return refusals.invalid(message, "cursor")

"""Looking users up, and listing them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from denizen.messages.base import Email, ExternalId, Message, Otherwise, Request, Search, Status, Time, UserRequest
from denizen.messages.users import User
from pydantic import Field, StringConstraints

__all__ = ["GetMe", "GetUser", "GetUserByEmail", "GetUserByExternalId", "ListUsers", "Sort", "UserList"]

PageCursor = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,2048}$"), Otherwise("not a nextCursor of such a list")
]


class GetUser(UserRequest):
    as_of: Time | None = None
    """The user as of this time."""


class GetUserByEmail(Request):
    email: Email


class GetUserByExternalId(Request):
    external_id: ExternalId


class GetMe(Request):
    pass


Sort = Literal["-createdAt", "createdAt", "email", "-email", "name", "-name"]
"""`-`: descending. `name` is the display name, else first and last name; users without a name come last."""


class ListUsers(Request):
    """A page of users. Pages that follow `nextCursor` show each remaining user once, whatever is created or deleted."""

    count: Annotated[int, Field(ge=1, le=500)] = 50
    """At most: a page ends before it grows larger than a message, or before its search takes long, even empty; then
    `nextCursor` leads on."""
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Users to skip; not together with `cursor`. For the next page add the length of `data`, not `count`: a page can be
    `truncated`. Where it is given, a search takes the time that a full page takes."""
    cursor: PageCursor | None = None
    """`nextCursor` of the page before, which was asked for with the same sort, search and status."""
    status: Status | None = None
    search: Search | None = None
    """Words, at most 8, each of them part of the e-mail address or of a name, whatever its case and accents; one or two
    letters begin a word there. The user with exactly this address or external id comes first."""
    sort: Sort = "-createdAt"


class UserList(Message):
    """A page of users; iterates over `data`."""

    data: tuple[User, ...]
    total: int
    """How many there are on all pages."""
    total_is_estimate: bool = False
    """More than about 2,000 have what is searched for among their words: `total` is then about how many are found."""
    next_cursor: str | None = None
    truncated: bool = False
    """The page ends before `count` users, because it would be larger than a message: its rest begins at `nextCursor`,
    or, by offsets, at `offset` and the length of `data`."""

    def __iter__(self) -> Iterator[User]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

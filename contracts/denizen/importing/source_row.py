"""A row of another system, which records what a preset reads of it, so that the rest can be reported.

How a preset uses it: docs/decisions/0042-nothing-is-lost-silently.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from denizen.importing.rows import Json

_get: Callable[[Json, str, Any], Any] = cast(Any, dict.get)
_item: Callable[[Json, str], Any] = cast(Any, dict.__getitem__)
_pop: Callable[..., Any] = cast(Any, dict.pop)
_items: Callable[[Json], Iterable[tuple[str, Any]]] = cast(Any, dict.items)


_PLAIN = (str, int, float, bool)


class LeftOut(Exception):
    """Raised by a preset for a row that is no user to import. `message` says what it is, and holds no input."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Notes:
    """What a preset says about one row.

    Attributes:
        not_taken: paths of fields that the preset left behind on purpose, each with the reason.
        changed: fields of ours whose value is not the one of the source, each with a message.
    """

    __slots__ = ("changed", "not_taken")

    def __init__(self) -> None:
        self.not_taken: list[tuple[str, str]] = []
        self.changed: list[tuple[str, str]] = []


class SourceRow(dict[str, Any]):
    """An object of another system's export: a dict whose `get`, `[]` and `pop` record the keys that were read.

    Objects within it, and those in its arrays, record too once they were read. An object counts as taken whole if its
    keys were listed (`items`, `dict(…)`, `{**…}`), or if it was read and none of its keys was.
    """

    __slots__ = ("_notes", "_parts", "_path", "_read", "_whole")

    def __init__(self, raw: Json, path: str = "", notes: Notes | None = None) -> None:
        super().__init__(raw)
        self._path = path
        self._notes = notes
        self._read: set[str] = set()
        self._parts: list[list[SourceRow]] | None = None
        self._whole = False

    def get(self, key: str, default: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._read.add(key)
        value = _get(self, key, default)
        kind = value.__class__
        return self._opened(key, value) if kind is dict or kind is list else value

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        value = _item(self, key)
        kind = value.__class__
        return self._opened(key, value) if kind is dict or kind is list else value

    def pop(self, key: str, *default: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._read.add(key)
        return _pop(self, key, *default)

    def whole(self, key: str) -> Any:
        """The value of a key, all of which is taken."""
        self._read.add(key)
        return _get(self, key, None)

    def put(self, key: str, value: Any) -> Any:
        """Replaces the value of a key, such as a text of JSON by what it holds; returns it as reading it would."""
        dict.__setitem__(self, key, value)
        return self.get(key)

    def _opened(self, key: str, value: Any) -> Any:
        """The same value, whose objects record what is read of them."""
        if key not in self:
            return value  # A caller's default.
        path = f"{self._path}{key}."
        if isinstance(value, dict):
            opened: Any = SourceRow(cast(Json, value), path, self.notes)
            rows = [opened]
        else:
            opened = [SourceRow(item, path, self.notes) if item.__class__ is dict else item for item in value]
            rows = [item for item in opened if item.__class__ is SourceRow]
            if not rows:
                return value
        if self._parts is None:
            self._parts = []
        self._parts.append(rows)
        dict.__setitem__(self, key, opened)
        return opened

    # --- what lists all keys takes the whole object --------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        self._whole = True
        return super().__iter__()

    def keys(self) -> Any:
        self._whole = True
        return super().keys()

    def values(self) -> Any:
        self._whole = True
        return super().values()

    def items(self) -> Any:
        self._whole = True
        return super().items()

    def copy(self) -> Json:
        self._whole = True
        return dict(self)

    # --- what a preset says, and what is left ---------------------------------------------------------------------

    @property
    def notes(self) -> Notes:
        if self._notes is None:
            self._notes = Notes()
        return self._notes

    def leave(self, because: str, *keys: str) -> None:
        """Leave fields behind on purpose; `because` is one sentence for people, and holds no input."""
        self._read.update(keys)
        for key in keys:
            if (value := _get(self, key, None)) and _is_filled(value):
                self.notes.not_taken.append((self._path + key, because))

    def change(self, field: str, message: str) -> None:
        """Tell that a field of ours, such as `emailVerified`, has not the value of the source; `message` says why."""
        self.notes.changed.append((field, message))

    def not_taken(self) -> list[tuple[str, str | None]]:
        """The paths of filled fields that were left behind, each with the reason where the preset gave one."""
        unread = self.unread()
        if self._parts is not None:
            unread = list(dict.fromkeys(unread))  # The items of an array share their paths.
        found: list[tuple[str, str | None]] = [(path, None) for path in unread]
        if self._notes is not None and (noted := self._notes.not_taken):
            found += dict.fromkeys(noted)
        return found

    @property
    def was_opened(self) -> bool:
        """Whether its keys were read or listed."""
        return bool(self._read) or self._whole

    def changed(self) -> list[tuple[str, str]]:
        return [] if self._notes is None else self._notes.changed

    def unread(self) -> list[str]:
        """The paths of filled fields that were not read."""
        if self._whole:
            return []
        read, path = self._read, self._path
        found = [
            path + key
            for key, value in _items(self)
            if key not in read and value and (value.__class__ in _PLAIN or _is_filled(value))
        ]
        for part in self._parts or ():
            # Where none was read, what holds them was taken as a whole.
            if any(each.was_opened for each in part):
                for each in part:
                    found += each.unread()
        return found


def names_of(raw: Json) -> list[str]:
    """The names of a row's fields; none of them counts as read."""
    return list(cast(Iterator[str], dict.__iter__(raw)))


def leave(raw: Json, because: str, *keys: str) -> None:
    """`SourceRow.leave`; nothing for a row that records nothing."""
    if isinstance(raw, SourceRow):
        raw.leave(because, *keys)


def change(raw: Json, field: str, message: str) -> None:
    """`SourceRow.change`; nothing for a row that records nothing."""
    if isinstance(raw, SourceRow):
        raw.change(field, message)


def _is_filled(value: Any) -> bool:
    """Whether a value says something: not null, false, zero, an empty text, or an array or object of such values."""
    if not value:
        return False
    if isinstance(value, dict):
        return any(_is_filled(each) for _, each in _items(cast(Json, value)))
    if isinstance(value, list):
        return any(_is_filled(each) for each in cast(list[Any], value))
    return True

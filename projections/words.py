"""The words of users' addresses and names, as searches look them up: a part of the projection `users`."""

import re
from collections.abc import Mapping

from projections.projection import Connection, copy, sql

_COPY = sql("user_words_copy")
_DELETE = sql("user_words_delete")
_ADD = sql("words_add")
_FORGET = sql("words_forget")
_WORD = re.compile("[0-9A-Za-z]+")


async def change(connection: Connection, after: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Users' words become those of `users.search`, by id; `before`: what the rows had that were there."""
    is_now, was = _rows(after), _rows(before)
    # Sorted: neighbours in the index are written together.
    if new := sorted(is_now - was):
        await copy(connection, _COPY, new)
        await connection.execute(_ADD, [_words(new)])
    if gone := sorted(was - is_now):
        await connection.execute(_DELETE, [" ".join(gone)])
        # A word that nobody has any more may be all that is left of somebody who was erased.
        await connection.execute(_FORGET, [_words(gone)])


def _rows(texts: Mapping[str, str]) -> set[str]:
    """A word, a tab, and the id of a user who has it."""
    return {f"{word}\t{user_id}" for user_id, search in texts.items() for word in _WORD.findall(search)}


def _words(rows: list[str]) -> str:
    return " ".join(dict.fromkeys([row[: row.index("\t")] for row in rows]))

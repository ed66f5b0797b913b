"""The words of users' addresses and names, as searches look them up: a part of the projection `users`."""

from collections.abc import Iterable, Mapping

from projections import search_text
from projections.projection import ProjectorConnection, copy, sql

_COPY = sql("user_words_copy")
_DELETE = sql("user_words_delete")
_ADD = sql("words_add")
_FORGET = sql("words_forget")

Words = Mapping[str, Iterable[str]]
"""The words of users, by id; each once."""


async def fill(connection: ProjectorConnection, words: Words) -> None:
    """Put users' words into a table without an index; the list of all words is made with it."""
    await copy(connection, _COPY, _rows(words))


async def change(connection: ProjectorConnection, after: Words, before: Mapping[str, str]) -> None:
    """Users' words become these; `before`: the `users.search` of the rows that were there."""
    is_now, was = set(_rows(after)), set(_rows({user_id: search_text.words(text) for user_id, text in before.items()}))
    # Sorted: neighbours in the index are written together.
    if new := sorted(is_now - was):
        await copy(connection, _COPY, new)
        await connection.execute(_ADD, [_words(new)])
    if gone := sorted(was - is_now):
        await connection.execute(_DELETE, [" ".join(gone)])
        # A word that no user has any more may be all that is left of a user who was erased.
        await connection.execute(_FORGET, [_words(gone)])


def _rows(words: Words) -> list[str]:
    """A word, a tab, and the id of a user who has it."""
    return [f"{word}\t{user_id}" for user_id, some in words.items() for word in some]


def _words(rows: list[str]) -> str:
    return " ".join(dict.fromkeys([row[: row.index("\t")] for row in rows]))

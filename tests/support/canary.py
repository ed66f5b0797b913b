"""Words that must not show, and the search for them: in text, files and tables, in every form that hides nothing."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg
from psycopg import sql

_SHORTEST = 12
"""Of a form: what is shorter could be there by chance."""


def forms(word: str) -> set[bytes]:
    """A word as it is, in lower case, in UTF-16, in hexadecimal and in base64, wherever in a longer text it is."""
    result: set[bytes] = set()
    for text in (word, word.lower()):
        for plain in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
            result |= {plain, plain.hex().encode(), plain.hex().upper().encode()}
            # Only the middle of base64 is the same whatever comes before and after; a shift for each place of the word.
            for shift in range(3):
                middle = base64.b64encode(bytes(shift) + plain)[4:-4]
                result |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in result if len(form) >= _SHORTEST}


def hashes(text: str) -> set[bytes]:
    """Bare hashes, with which a list of guesses is compared in no time."""
    result: set[bytes] = set()
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(algorithm, text.encode()).digest()
        result |= {digest, digest.hex().encode(), base64.b64encode(digest)}
    return result


def shown(needles: Iterable[bytes], content: bytes) -> list[bytes]:
    """Those that are in there."""
    return [needle for needle in needles if needle in content]


def files(directory: Path, without: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Every file below, by its path from there; but those under `without`."""
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_file() and not (without and name.startswith(f"{without}/")):
            yield name, path.read_bytes()


def tables(url: str) -> dict[str, bytes]:
    """Every table of the cell, also those of projections, as COPY writes it."""
    result: dict[str, bytes] = {}
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "select relname from pg_class where relnamespace = 'denizen'::regnamespace and relkind = 'r'"
        )
        for (name,) in names.fetchall():
            query = sql.SQL("copy (select * from {}) to stdout").format(sql.Identifier("denizen", name))
            with connection.cursor().copy(query) as copy:
                result[name] = b"".join(bytes(block) for block in copy)
    return result

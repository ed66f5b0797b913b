"""Reads users from a plain dump of PostgreSQL (`pg_dump`): the rows of its COPY blocks.

The rows of the users' table are kept in a temporary database of SQLite until the dump ends, because their accounts
elsewhere may stand before them or behind them. It stays small in memory, and its file, if it needs one, has no name.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO

from denizen.importing.lines import lines
from denizen.importing.rows import BadRow, Json, RefusedFile

_NAME = r'(?:[A-Za-z_]\w{0,62}|"[^"\s]{1,63}")'
_COPY = re.compile(rf"COPY ((?:{_NAME}\.)?{_NAME}) \(([^()]{{1,65536}})\) FROM stdin;", re.IGNORECASE)
_INSERT = re.compile(rf"INSERT INTO ((?:{_NAME}\.)?{_NAME})\s", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_USERS = ("users", "user", "auth_user", "accounts_user")
_LINKS = {"identities": "identities", "account": "accounts", "accounts": "accounts"}
"""Tables of accounts elsewhere, Supabase's and better-auth's, and the name that a user's rows of them get."""
_OWNERS = ("user_id", "userId")
_PROVIDERS = frozenset({"provider", "provider_id", "providerId"})
_MOST_TABLES = 1000
_DAMAGED_LINKS = -1
"""The part in which links are that cannot be read: each is a bad row."""
PRAGMAS = """
pragma cache_size = -4096;
pragma journal_mode = off;
pragma synchronous = off;
"""
"""Of a temporary database: little memory, and nothing that has to outlive the process."""
_SCHEMA = """
create table copied (part integer, line integer, row text, fault text, primary key (part, line)) without rowid;
create table links (user_id text, place text, name text, row text, columns text);
"""


@dataclass(frozen=True, slots=True)
class _Block:
    """A COPY block: `table` as the dump spells it, with its schema."""

    table: str
    columns: list[str]

    @property
    def plain(self) -> str:
        """The table's name without schema and quotes."""
        return _plain(self.table)

    @property
    def place(self) -> str:
        """Its schema: a table `identities` in another schema is an application's own."""
        return self.table.rpartition(".")[0].strip('"').lower()

    @property
    def has_users(self) -> bool:
        return "email" in self.columns and not self.owner

    @property
    def owner(self) -> str | None:
        """The column with the user's id, in a table of accounts elsewhere."""
        if self.plain not in _LINKS or _PROVIDERS.isdisjoint(self.columns):
            return None
        return next((name for name in _OWNERS if name in self.columns), None)


def rows(stream: BinaryIO, check: Callable[[Collection[str]], None]) -> Iterator[tuple[int, Json] | BadRow]:
    """The rows of the users' table: of `auth.users`, or else of the only table with a column `email`.

    check: is given the columns of that table, before the first row.

    Raises RefusedFile, and OSError where the temporary database cannot grow.
    """
    try:
        # The import reads one row after the other, but each in whichever thread is free.
        with closing(sqlite3.connect("", check_same_thread=False)) as spool:
            spool.executescript(PRAGMAS + _SCHEMA)
            blocks = _spooled(stream, spool)
            number = _number_of_users(blocks)
            check(blocks[number].columns)
            spool.execute("create index links_by_user on links (user_id, place)")
            yield from _joined(spool, number, blocks[number])
    except sqlite3.Error as error:
        raise OSError(f"the temporary database for the dump cannot be written ({error})") from error


def _joined(spool: sqlite3.Connection, number: int, users: _Block) -> Iterator[tuple[int, Json] | BadRow]:
    kept = spool.execute(
        "select line, row, fault from copied where part in (?, ?) order by line", (number, _DAMAGED_LINKS)
    )
    for line, text, fault in kept:
        row = BadRow(line, "malformed_message", fault) if fault else _row(users.columns, line, text)
        if isinstance(row, BadRow):
            yield row
            continue
        wanted = row.get("id"), users.place
        found = spool.execute("select name, row, columns from links where user_id = ? and place = ?", wanted)
        for name, cells, columns in found.fetchall():
            if not isinstance(link := _row(columns.split("\t"), line, cells), BadRow):
                row.setdefault(name, []).append(link)
        yield line, row


def _spooled(stream: BinaryIO, spool: sqlite3.Connection) -> list[_Block]:
    """Keeps the rows of users and of their accounts elsewhere; the blocks of the dump."""
    blocks: list[_Block] = []
    inserted = 0
    source = lines(stream)
    for line in source:
        if isinstance(line, BadRow):
            continue  # Of a statement that is none of ours.
        number, text = line
        if found := _COPY.fullmatch(text.rstrip()):
            block = _Block(found[1], [name.strip().strip('"') for name in found[2].split(",")])
            _spool(_lines_of(source, number, block), spool, len(blocks), block)
            blocks.append(block)
            if len(blocks) > _MOST_TABLES:
                raise RefusedFile(f"the dump has over {_MOST_TABLES} tables: dump one, with pg_dump --table=NAME")
        elif text.startswith("INSERT INTO `"):
            raise RefusedFile("the file is a dump of MySQL: export the table of users as CSV with its header")
        elif not inserted and (found := _INSERT.match(text)) and _plain(found[1]) in _USERS:
            inserted = number
    if inserted and not any(block.has_users for block in blocks):
        raise RefusedFile(
            f"line {inserted} is an INSERT, and only COPY is read: make the dump with pg_dump, without --inserts, "
            "--column-inserts and --rows-per-insert, or with `supabase db dump --data-only --use-copy`"
        )
    return blocks


_Lines = Iterator[tuple[int, str] | BadRow]


def _lines_of(source: _Lines, begin: int, block: _Block) -> _Lines:
    """The lines of a block's rows."""
    for line in source:
        if isinstance(line, BadRow):
            yield line
        elif (text := line[1].rstrip("\r\n")) == "\\.":
            return
        else:
            yield line[0], text
    raise RefusedFile(
        f"the dump ends within the rows of {block.table}, which begin at line {begin}: it is cut off, make it again"
    )


def _spool(source: Iterator[tuple[int, str] | BadRow], spool: sqlite3.Connection, number: int, block: _Block) -> None:
    if block.has_users:
        spool.executemany(
            "insert into copied values (?, ?, ?, ?)",
            (
                (number, line.line, None, line.message) if isinstance(line, BadRow) else (number, *line, None)
                for line in source
            ),
        )
    elif owner := block.owner:
        columns = "\t".join(block.columns)
        for line in source:
            row = line if isinstance(line, BadRow) else _row(block.columns, *line)
            if isinstance(row, BadRow):
                kept = _DAMAGED_LINKS, row.line, None, row.message
                spool.execute("insert into copied values (?, ?, ?, ?)", kept)
            elif isinstance(line, tuple):
                link = row.get(owner), block.place, _LINKS[block.plain], line[1], columns
                spool.execute("insert into links values (?, ?, ?, ?, ?)", link)
    else:
        for _ in source:
            pass


def _number_of_users(blocks: list[_Block]) -> int:
    """Which block has the users. Raises RefusedFile."""
    found = [number for number, block in enumerate(blocks) if block.has_users]
    for chosen in (
        [number for number in found if blocks[number].table.replace('"', "").lower() == "auth.users"],
        found,
        [number for number in found if blocks[number].plain in _USERS],
    ):
        if len(chosen) == 1:
            return chosen[0]
    if not found:
        raise RefusedFile("the dump has no COPY of a table with a column email: dump the table of users, with its data")
    tables = ", ".join(blocks[number].table for number in found[:20])
    raise RefusedFile(f"several tables of the dump have a column email ({tables}): dump one, with pg_dump --table=NAME")


def _row(columns: list[str], line: int, text: str) -> Json | BadRow:
    cells = text.split("\t")
    if len(cells) != len(columns):
        message = f"the row has {len(cells)} columns, and its table {len(columns)}: make the dump again"
        return BadRow(line, "malformed_message", message)
    row: dict[str, Any] = {}
    for name, cell in zip(columns, cells, strict=True):
        if not cell or cell == "\\N":
            row[name] = None
        else:
            row[name] = _ESCAPE.sub(_meant, cell) if "\\" in cell else cell
    if "\0" in text or ("\\" in text and any("\0" in cell for cell in row.values() if cell)):
        return BadRow(line, "malformed_message", "the row holds NUL: make the dump again")
    return row


def _meant(escape: re.Match[str]) -> str:
    """What an escape of COPY stands for."""
    code = escape[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8) & 0xFF)
    return _CONTROLS.get(code, code)


def _plain(name: str) -> str:
    return name.rpartition(".")[2].strip('"').lower()

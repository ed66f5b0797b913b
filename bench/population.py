"""A log of many users, written by COPY: encrypted, chained and claimed as the service writes it, one event each."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
from typeid import TypeID

from services.domain.events import UserCreated, encode
from services.domain.values import Json
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.chain import START, link
from services.platform.ids import new_event_id

_WORDS = re.compile(r"\w+")
_FIRST = _WORDS.findall(
    "Ada Linus Grace Alan Edsger Barbara Donald Margaret Dennis Katherine Ken Radia Tim Frances Bjarne Anita Guido "
    "Hedy James Karen Niklaus Jean Tony Mary Leslie Joan Robin Sophie Butler Shafi José Zoë Łukasz Søren Jürgen Chloé "
    "Ömer Nguyễn Мария Δημήτρης"
)
_ROOTS = _WORDS.findall("Love Tor Hop Tur Dijk Lis Knu Hamil Rit John Thomp Perl Ber Al Strou Bor Ros Lam Gos Spär")
_MIDDLES = _WORDS.findall("e va s i k o n t r a l ge m")
_ENDS = _WORDS.findall("lace valds per ing stra kov th ton chie son man ner nee len trup g sum ar ling ck")
_DOMAINS = ["gmail.com"] * 9 + ["outlook.com"] * 5 + ["web.de"] * 3 + ["example.com", "acme.example", "yahoo.co.jp"]
_STATUSES = ["ACTIVE"] * 90 + ["PENDING_VERIFICATION"] * 8 + ["BLOCKED", "DEACTIVATED"]


def email(number: int) -> str:
    """The address of the n-th user."""
    return person(number)["email"]


def person(number: int) -> Json:
    """The email, firstName, lastName and status of the n-th user."""
    dice = random.Random(number)
    first = dice.choice(_FIRST)
    last = dice.choice(_ROOTS) + dice.choice(_MIDDLES) + dice.choice(_ENDS)
    address = f"{last.lower()}.{number}@{dice.choice(_DOMAINS)}"
    return {"email": address.replace("ä", "ae"), "firstName": first, "lastName": last, "status": dice.choice(_STATUSES)}


def grow(owner_url: str, cell: str, ring: KeyRing, until: int) -> None:
    """Add users to an otherwise empty log until there are so many."""
    with psycopg.connect(owner_url, options=f"-c search_path={cell}") as connection:
        cursor = connection.cursor()
        found = cursor.execute("select position from log_head for update").fetchone()
        assert found is not None
        (head,) = found
        for begin in range(head, until, 20_000):
            rows = list(_rows(ring, begin, min(begin + 20_000, until)))
            for table, columns in _TABLES.items():
                with cursor.copy(f"copy {table} ({columns}) from stdin".encode()) as copy:
                    for row in rows:
                        copy.write_row(row[table])
        cursor.execute("update log_head set position = %s", [until])
    with psycopg.connect(owner_url, options=f"-c search_path={cell}", autocommit=True) as connection:
        connection.execute("vacuum (analyze) events, data_keys, claims")


_TABLES = {
    "events": "position, event_id, stream, version, type, schema_version, public, private, metadata, recorded_at, hash",
    "data_keys": "user_id, epoch, wrapped",
    "claims": "key, user_id",
}
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def _rows(ring: KeyRing, begin: int, end: int) -> Iterator[dict[str, tuple[Any, ...]]]:
    """What is stored for each of the users from `begin` on, by table."""
    for number in range(begin, end):
        who, user_id = person(number), str(TypeID("user"))
        profile = {"firstName": who["firstName"], "lastName": who["lastName"], "locale": "en"}
        event = encode(
            UserCreated(who["email"], who["email"], True, f"crm-{number}", profile, {"plan": "pro"}, {}),
            user_id,
            1,
            who["status"],
            new_event_id(),
        )
        key, wrapped = ring.new_data_key(user_id)
        row: Json = {
            "position": number + 1,
            "event_id": event.event_id,
            "stream": user_id,
            "version": 1,
            "type": event.type,
            "schema_version": event.schema_version,
            "public": event.public,
            "private": key.encrypt(event.private or {}, f"{user_id}\0{1}\0{event.type}").hex(),
            "metadata": {"commandId": f"import-{number}"},
            "recorded_at": _BEGAN + timedelta(milliseconds=number),
        }
        row["hash"] = link(START, row)
        row |= {"public": orjson.dumps(row["public"]).decode(), "metadata": orjson.dumps(row["metadata"]).decode()}
        row["private"] = bytes.fromhex(row["private"])
        yield {
            "events": tuple(row.values()),
            "data_keys": (user_id, ring.epoch, wrapped),
            "claims": (ring.claim("email", who["email"]), user_id),
        }

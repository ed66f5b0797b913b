"""Digests of chunks: they tell a chunk that is repeated from one with other rows."""

from hashlib import sha256
from typing import Any

import orjson
from denizen import messages as m
from denizen.sealing import PREFIX

from services.eventstore.keys.data_keys import KeyRing


def digest(request: m.ImportUsers, ring: KeyRing) -> bytes:
    """HMAC-SHA256 of the rows and of how they are taken, 32 octets: a bare hash of personal data could be guessed.

    Passwords are left out: they are sealed again each time, and a reader of a digest that is quickly computed could try
    passwords on it.
    """
    rows = [_lasting(row) for row in request.users]
    # The default is left out: chunks that ran before there was a choice keep their digests.
    choices = [request.on_conflict] if request.without_hashes == "none" else [request.on_conflict, "without hashes"]
    octets = orjson.dumps([*choices, rows], option=orjson.OPT_SORT_KEYS)
    return ring.claim("import", sha256(octets).hexdigest())


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    """The part of a row that is the same in a repeat."""
    hashed = row.get("passwordHash")
    is_sealed = isinstance(hashed, str) and hashed.startswith(PREFIX)
    if not is_sealed and "password" not in row:
        return row
    left_out = ("password", "passwordHash") if is_sealed else ("password",)
    return {name: value for name, value in row.items() if name not in left_out}

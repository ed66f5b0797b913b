"""What tells one chunk of an import from another."""

from hashlib import sha256
from typing import Any

import orjson
from denizen import messages as m
from denizen.sealing import PREFIX

from services.eventstore.keys.data_keys import KeyRing


def digest(request: m.ImportUsers, ring: KeyRing) -> bytes:
    """HMAC-SHA256 of the rows and of how they are to be taken, 32 octets: a bare hash of people could be guessed.

    Passwords are left out: they are sealed anew each time, and nothing that is quickly computed is to tell them.
    """
    rows = [_lasting(row) for row in request.users]
    octets = orjson.dumps([request.on_conflict, rows], option=orjson.OPT_SORT_KEYS)
    return ring.claim("import", sha256(octets).hexdigest())


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    """What is the same in a repeat."""
    hashed = row.get("passwordHash")
    is_sealed = isinstance(hashed, str) and hashed.startswith(PREFIX)
    if not is_sealed and "password" not in row:
        return row
    left_out = ("password", "passwordHash") if is_sealed else ("password",)
    return {name: value for name, value in row.items() if name not in left_out}

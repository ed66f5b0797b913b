"""Users without their password hashes: one that cannot be taken costs only the password, where an import says so."""

from typing import Any

from denizen.importing import BadRow, Row, read
from denizen.importing.without_hashes import WithoutHashes, without_hash

ADA = {"email": "ada@example.com", "email_verified": True, "user_id": "auth0|ada", "name": "Ada"}
MD4 = ADA | {"custom_password_hash": {"algorithm": "md4", "hash": {"value": "canary"}}}
BCRYPT = ADA | {"passwordHash": "$2b$10$U4C0ZY8OG8y41F9LusfKyu3HRMBL0rCZcKBVsXhgr.n8Ou6FPhzO2"}


def row(raw: dict[str, Any], choice: WithoutHashes, preset: str | None = "auth0") -> Row | BadRow:
    (given,) = read([raw], preset=preset)
    found = without_hash(given, choice)
    assert isinstance(found, Row | BadRow)
    assert "canary" not in repr(found)
    return found


def test_row_whose_hash_cannot_be_taken_is_refused_by_its_algorithm() -> None:
    refused = row(MD4, "none")
    assert isinstance(refused, BadRow)
    assert (refused.code, refused.field) == ("validation_failed", "passwordHash")
    assert refused.message == "md4 hashes are not accepted"


def test_row_whose_hash_cannot_be_taken_loses_only_the_hash_on_request() -> None:
    kept = row(MD4, "unsupported")
    assert isinstance(kept, Row)
    assert kept.user["profile"] == {"displayName": "Ada"}
    assert "passwordHash" not in kept.user
    message = "left out, so the user resets the password by mail: md4 hashes are not accepted"
    assert ("passwordHash", message) in kept.changed
    other = row(BCRYPT, "unsupported")
    assert isinstance(other, Row)
    assert other.user["passwordHash"] == BCRYPT["passwordHash"]


def test_import_without_any_hashes_leaves_each_out_and_tells() -> None:
    own = {"email": "ada@example.com", "password": "hashed:$2b$10$U4C0"}
    plain = {"email": "ada@example.com", "password": "correct horse"}
    for raw, preset in ((MD4, "auth0"), (BCRYPT, "auth0"), (own, None)):
        kept = row(raw, "all", preset)
        assert isinstance(kept, Row)
        assert not kept.user.keys() & {"passwordHash", "password"}
        assert ("passwordHash", "left out, because the import says so of all hashes") in kept.changed
    kept = row(plain, "all", None)
    assert isinstance(kept, Row)
    assert kept.user == plain

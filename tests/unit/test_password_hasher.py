"""Our own hashes: at which parameters, and that an unknown user costs as much as a known one."""

import dataclasses
import time
import unicodedata

import bcrypt
import pytest
from argon2 import PasswordHasher, extract_parameters

from services.passwords import formats
from services.passwords.hasher import PARAMETERS, Hasher, Verified
from services.passwords.policy import Unusable
from services.platform.settings import Settings

RIGHT = Verified(ok=True, outdated=False)
WRONG = Verified(ok=False, outdated=False)


@pytest.fixture(scope="module")
def hasher() -> Hasher:
    return Hasher(Settings(hashing="owasp"))


def test_parameters_are_those_of_the_standards() -> None:
    """OWASP Password Storage Cheat Sheet; RFC 9106, section 4."""
    assert {name: (p.memory_cost, p.time_cost, p.parallelism) for name, p in PARAMETERS.items()} == {
        "owasp": (19456, 2, 1),
        "rfc9106-low-memory": (65536, 3, 4),
        "rfc9106-high-memory": (2097152, 1, 4),
    }
    assert {(p.type.name, p.version, p.salt_len, p.hash_len) for p in PARAMETERS.values()} == {("ID", 19, 16, 32)}


@pytest.mark.parametrize("name", ["owasp", "rfc9106-low-memory"])
def test_hash_has_the_parameters_of_the_settings(name: str) -> None:
    hasher = Hasher(Settings.model_validate({"hashing": name}))
    stored = hasher.hash("secret")
    assert extract_parameters(stored) == PARAMETERS[name]
    assert hasher.verify("secret", stored) == RIGHT
    assert hasher.verify("Secret", stored) == WRONG


def test_each_hash_has_its_own_salt(hasher: Hasher) -> None:
    assert hasher.hash("secret") != hasher.hash("secret")


def test_hash_at_other_parameters_is_outdated(hasher: Hasher) -> None:
    imported = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    assert hasher.verify("secret", imported) == Verified(ok=True, outdated=True)
    assert hasher.verify("wrong", imported) == WRONG
    other = Hasher(Settings(hashing="rfc9106-low-memory"))
    assert other.verify("secret", hasher.hash("secret")) == Verified(ok=True, outdated=True)


def test_composed_and_decomposed_password_are_equal(hasher: Hasher) -> None:
    stored = hasher.hash(unicodedata.normalize("NFD", "lètmein"))
    assert hasher.verify(unicodedata.normalize("NFC", "lètmein"), stored) == RIGHT


def test_imported_hash_beyond_nfc_verifies_and_is_outdated() -> None:
    """Another system hashed what was typed. At our own parameters too, such a hash is not one of ours."""
    hasher = Hasher(Settings(hashing="owasp"))
    typed = unicodedata.normalize("NFD", "lètmein")
    for imported in (
        bcrypt.hashpw(typed.encode(), bcrypt.gensalt(4)).decode(),
        PasswordHasher.from_parameters(PARAMETERS["owasp"]).hash(typed),
    ):
        assert hasher.verify(typed, imported) == Verified(ok=True, outdated=True)
        assert hasher.verify(typed + "!", imported) == WRONG
    normal = bcrypt.hashpw(unicodedata.normalize("NFC", typed).encode(), bcrypt.gensalt(4)).decode()
    assert hasher.verify(typed, normal) == Verified(ok=True, outdated=True), "typed on another keyboard"


def test_hash_at_our_parameters_verifies_above_the_bounds() -> None:
    """An operator may go back from the dearest of our own settings to a cheaper one."""
    dear = dataclasses.replace(PARAMETERS["owasp"], memory_cost=8, time_cost=17)
    stored = PasswordHasher.from_parameters(dear).hash("secret")
    assert formats.verify("secret", stored, [dear])
    assert not formats.verify("secret", stored, PARAMETERS.values())


@pytest.mark.parametrize("password", ["", "secret", "\0", "\ud800", "x" * 4096])
def test_absent_hash_verifies_no_password(hasher: Hasher, password: str) -> None:
    assert hasher.verify(password, None) == WRONG


def test_unhashable_password_is_refused(hasher: Hasher) -> None:
    stored = hasher.hash("")
    for password in ("\0", "\ud800"):
        with pytest.raises(Unusable):
            hasher.hash(password)
        assert hasher.verify(password, stored) == WRONG


def test_unknown_user_costs_as_much_as_a_known_one(hasher: Hasher) -> None:
    """Coarse, and of processor time: that the work is done at all. What a caller sees the login path evens out."""
    stored = hasher.hash("secret")
    cases: list[tuple[str, str | None]] = [
        ("wrong", stored),
        ("wrong", None),
        ("\0", None),
        ("\ud800", None),
        ("\0", stored),
    ]
    shortest = dict.fromkeys(cases, float("inf"))
    for _ in range(5):
        for password, of in cases:
            began = time.thread_time()
            hasher.verify(password, of)
            shortest[password, of] = min(shortest[password, of], time.thread_time() - began)
    assert min(shortest.values()) > 0.001, "the work is done in this thread"
    assert max(shortest.values()) < 5 * min(shortest.values())

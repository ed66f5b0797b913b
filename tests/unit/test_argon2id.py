"""argon2id by two libraries: the hashes are the same, whichever made them, and in whichever process."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest
from argon2 import Parameters, PasswordHasher, Type, extract_parameters
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import hash_secret_raw
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id as sodium

from services.passwords import argon2id
from services.passwords.digests import DigestFailed, Digests, digest
from services.passwords.hasher import PARAMETERS

SALT = bytes(range(16))
CHEAP = {"memory": 8, "passes": 1, "octets": 32}
NONE = {"memory": 8, "passes": 0, "octets": 32}


def parameters(memory: int, passes: int, lanes: int = 1, kind: Type = Type.ID, salt_len: int = 16) -> Parameters:
    return Parameters(kind, 19, salt_len=salt_len, hash_len=32, time_cost=passes, memory_cost=memory, parallelism=lanes)


COSTS = st.builds(parameters, st.integers(8, 80), st.integers(1, 4))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100), COSTS, st.integers(16, 64))
def test_libraries_compute_the_same_hash(password: bytes, cost: Parameters, octets: int) -> None:
    other = hash_secret_raw(password, SALT, cost.time_cost, cost.memory_cost, 1, octets, Type.ID)
    assert digest(password, SALT, memory=cost.memory_cost, passes=cost.time_cost, octets=octets) == other


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=100), COSTS)
def test_libraries_verify_each_others_hashes(password: bytes, other: bytes, cost: Parameters) -> None:
    ours, theirs = argon2id.new(password, cost), PasswordHasher.from_parameters(cost).hash(password)
    assert extract_parameters(ours) == cost
    assert PasswordHasher().verify(ours, password)
    assert sodium.verify(ours.encode(), password)
    for stored in (ours, theirs):
        assert argon2id.fits(password, stored)
        assert argon2id.fits(other, stored) == (other == password)


def test_libraries_verify_hashes_at_our_parameters() -> None:
    ours = argon2id.new(b"secret", PARAMETERS["owasp"])
    assert ours.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PasswordHasher().verify(ours, b"secret")
    assert sodium.verify(ours.encode(), b"secret")
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(ours, b"Secret")
    with pytest.raises(InvalidkeyError):
        sodium.verify(ours.encode(), b"Secret")


@pytest.mark.parametrize(
    "cost",
    [
        parameters(16, 1, lanes=2),
        parameters(8, 1, kind=Type.I),
        parameters(8, 1, kind=Type.D),
        parameters(8, 1, salt_len=8),
        parameters(8, 1, salt_len=32),
    ],
    ids=["two lanes", "argon2i", "argon2d", "short salt", "long salt"],
)
def test_parameters_unknown_to_libsodium_use_argon2_cffi(cost: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.passwords.argon2id.digest", None)
    stored = argon2id.new(b"secret", cost)
    assert extract_parameters(stored) == cost
    assert argon2id.fits(b"secret", stored)
    assert not argon2id.fits(b"Secret", stored)


# --- the program beside -------------------------------------------------------------------------------------------


@pytest.fixture
def digests() -> Iterator[Digests]:
    with closing(Digests()) as started:
        started.digest(b"", SALT, **CHEAP)  # By now it listens.
        yield started


def programs() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [each for each in found if any(argument.endswith("digests.py") for argument in each.cmdline())]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(min_size=16, max_size=16)), max_size=3))
def test_hashing_program_answers_in_order(asked: list[tuple[bytes, bytes]]) -> None:
    with closing(Digests()) as program:
        for password, salt in asked:
            assert program.digest(password, salt, **CHEAP) == digest(password, salt, **CHEAP)


def test_failed_hash_does_not_stop_the_program(digests: Digests) -> None:
    (program,) = programs()
    for compute in (digest, digests.digest):
        with pytest.raises(DigestFailed):
            compute(b"secret", SALT, **NONE)
    assert digests.digest(b"secret", SALT, **CHEAP) == digest(b"secret", SALT, **CHEAP)
    assert programs() == [program]


def test_dead_hashing_program_is_restarted(digests: Digests) -> None:
    (program,) = programs()
    program.kill()
    program.wait(10)
    assert digests.digest(b"secret", SALT, **CHEAP) == digest(b"secret", SALT, **CHEAP)
    assert [each for each in programs() if each != program]


def test_signal_to_the_group_does_not_end_pending_hashes(digests: Digests) -> None:
    (program,) = programs()
    for number in (signal.SIGINT, signal.SIGTERM):
        program.send_signal(number)
    assert digests.digest(b"secret", SALT, **CHEAP) == digest(b"secret", SALT, **CHEAP)
    assert programs() == [program]


@pytest.mark.parametrize("added", [0, 11])
def test_hashing_program_has_a_low_priority(added: int) -> None:
    seen: list[tuple[int, int]] = []

    def work() -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + added)
        with argon2id.beside():
            argon2id.new(b"secret", parameters(8, 1))
            seen.extend((each.nice(), os.getpriority(os.PRIO_PROCESS, thread)) for each in programs())
        assert programs() == [], "it ends with the thread's work"

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert len(seen) == 1
    assert seen[0][0] == max(10, seen[0][1])

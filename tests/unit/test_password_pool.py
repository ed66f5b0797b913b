"""Hashes off the event loop: bounded, in order, never late, never in the way."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from services.domain.refusals import Refusal
from services.passwords.formats import verify
from services.passwords.hasher import Verified
from services.passwords.policy import Unusable
from services.passwords.pool import HashingPool
from services.platform.settings import Settings


class Gate:
    """A hasher that notes what it is given, and waits until it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.started = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def hash(self, password: str) -> str:
        self.begun.append(password)
        self.started.release()
        assert self.go.acquire(timeout=60)
        return f"hash of {password}"


@asynccontextmanager
async def pool_of(threads: int, hasher: object = None, capacity: int | None = None) -> AsyncGenerator[HashingPool]:
    pool = HashingPool(Settings(hashing_threads=threads))
    if hasher is not None:
        pool.hasher = cast(Any, hasher)
    if capacity is not None:
        pool.capacity = capacity
    try:
        yield pool
    finally:
        if isinstance(hasher, Gate):
            hasher.go.release(1000)
        await pool.close()


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "hashing"]


async def started(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.started.acquire, timeout=60)


async def queued(pool: HashingPool, waiting: int) -> None:
    """Let tasks that were created run until so many wait."""
    for _ in range(1000):
        if pool.waiting("new password") == waiting:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{pool.waiting('new password')} wait instead of {waiting}")


async def test_pool_hashes_and_verifies() -> None:
    async with pool_of(2) as pool:
        stored = await pool.hash("secret", None)
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await pool.verify("secret", stored, time.time() + 10) == Verified(ok=True, outdated=False)
        assert await pool.verify("wrong", stored, None) == Verified(ok=False, outdated=False)
        assert await pool.verify("secret", None, None) == Verified(ok=False, outdated=False)
        with pytest.raises(Unusable):
            await pool.hash("\0", None)


async def test_pool_has_a_thread_for_each_usable_core() -> None:
    pool = HashingPool(Settings())
    try:
        threads = len(os.sched_getaffinity(0))
        assert len(_threads()) == threads
        assert pool.capacity >= 2 * threads
        seconds = pool.capacity * pool.hash_seconds / threads
        assert seconds == pytest.approx(0.75, abs=pool.hash_seconds)
    finally:
        await pool.close()


async def test_costly_hash_leaves_two_places_for_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.passwords.pool._QUEUE_SECONDS", 1e-9)
    async with pool_of(3) as pool:
        assert pool.capacity == 6


async def test_full_pool_refuses_until_there_is_room() -> None:
    gate = Gate()
    async with pool_of(1, gate, capacity=2) as pool, asyncio.TaskGroup() as tasks:
        under_way = tasks.create_task(pool.hash("0", None))
        await started(gate)
        waiting = [tasks.create_task(pool.hash(password, None)) for password in "12"]
        await queued(pool, 2)
        for _ in range(100):
            with pytest.raises(Refusal) as refusal:
                await pool.hash("surplus", None)  # Nothing is let go meanwhile: it does not wait.
            assert refusal.value.code == "overloaded"
        gate.go.release()
        assert await under_way == "hash of 0"
        await started(gate)
        late = tasks.create_task(pool.hash("3", None))
        await queued(pool, 2)
        gate.go.release(3)
        assert [await task for task in (*waiting, late)] == ["hash of 1", "hash of 2", "hash of 3"]
    assert gate.begun == ["0", "1", "2", "3"]


async def test_late_hash_is_dropped() -> None:
    gate = Gate()
    async with pool_of(1, gate) as pool, asyncio.TaskGroup() as tasks:
        under_way = tasks.create_task(pool.hash("0", time.time() + 60))
        await started(gate)
        deadline = time.time() + 0.05
        late = tasks.create_task(_refused(pool.hash("late", deadline)))
        in_time = tasks.create_task(pool.hash("in time", time.time() + 60))
        await queued(pool, 2)
        while time.time() <= deadline:
            await asyncio.sleep(0.01)
        assert not late.done()
        gate.go.release(2)
        assert await late == "deadline_exceeded"
        assert await under_way == "hash of 0"
        assert await in_time == "hash of in time"
    assert gate.begun == ["0", "in time"]


async def test_hash_that_outwaited_its_caller_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its length in hashes of ours says nothing about a queue of dear imported ones."""
    monkeypatch.setattr("services.passwords.pool._LATE_SECONDS", 0)
    gate = Gate()
    async with pool_of(1, gate) as pool:
        assert await _refused(pool.hash("late", None)) == "overloaded"
        monkeypatch.setattr("services.passwords.pool._LATE_SECONDS", 60)
        gate.go.release()
        assert await pool.hash("in time", None) == "hash of in time"
    assert gate.begun == ["in time"]


async def _refused(call: "asyncio.Future[Any] | Any") -> str:
    with pytest.raises(Refusal) as refusal:
        await call
    return refusal.value.code


async def test_cancelled_hash_frees_its_place_and_never_runs() -> None:
    gate = Gate()
    async with pool_of(1, gate, capacity=1) as pool, asyncio.TaskGroup() as tasks:
        under_way = tasks.create_task(pool.hash("0", None))
        await started(gate)
        gone = tasks.create_task(pool.hash("gone", None))
        await queued(pool, 1)
        gone.cancel()
        await queued(pool, 0)
        follower = tasks.create_task(pool.hash("1", None))
        await queued(pool, 1)
        gate.go.release(2)
        assert [await under_way, await follower] == ["hash of 0", "hash of 1"]
    assert gate.begun == ["0", "1"]


async def test_hash_cancelled_in_mid_work_does_not_spoil_the_next() -> None:
    gate = Gate()
    async with pool_of(1, gate) as pool, asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(pool.hash("gone", None))
        await started(gate)
        gone.cancel()
        follower = tasks.create_task(pool.hash("1", None))
        await queued(pool, 1)
        gate.go.release(2)
        assert await follower == "hash of 1"
    assert gone.cancelled()


async def test_closing_finishes_running_hashes_and_refuses_others() -> None:
    gate = Gate()
    async with pool_of(1, gate) as pool, asyncio.TaskGroup() as tasks:
        under_way = tasks.create_task(pool.hash("0", None))
        await started(gate)
        waiting = tasks.create_task(_refused(pool.hash("1", None)))
        await queued(pool, 1)
        closing = tasks.create_task(pool.close())
        assert await waiting == "overloaded"
        assert not closing.done()
        assert await _refused(pool.hash("2", None)) == "overloaded"
        gate.go.release()
        assert await under_way == "hash of 0"
        await closing
        assert not _threads()
    assert gate.begun == ["0"]


class Priority:
    def hash(self, password: str) -> str:
        return str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
@pytest.mark.parametrize(("hashing", "least"), [("owasp", -20), ("rfc9106-low-memory", 10)])
async def test_threads_have_low_priority_only_for_our_own_hashes(hashing: str, least: int) -> None:
    """They compute imported hashes, too: those would take ten times as long on a busy machine."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    pool = HashingPool(Settings.model_validate({"hashing": hashing, "hashing_threads": 2}))
    pool.hasher = cast(Any, Priority())
    assert await pool.hash("", None) == str(max(least, before))
    await pool.close()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


async def test_hashing_processes_have_low_priority() -> None:
    async with pool_of(1) as pool:
        await pool.hash("secret", None)
        niceness = [each.nice() for each in psutil.Process().children() if _computes(each)]
    assert niceness
    assert min(niceness) >= 10


class Turns(Gate):
    def verify(self, password: str, stored: str | None) -> Verified:
        self.hash(password)
        return Verified(ok=stored is not None, outdated=False)


async def test_sign_ins_and_new_passwords_have_separate_queues() -> None:
    gate = Turns()
    async with pool_of(1, gate, capacity=3) as pool, asyncio.TaskGroup() as tasks:
        tasks.create_task(pool.hash("under way", None))
        await started(gate)
        for number in range(3):
            tasks.create_task(pool.hash(f"new {number}", None))
        await queued(pool, 3)
        assert await _refused(pool.hash("surplus", None)) == "overloaded"
        for number in range(2):
            tasks.create_task(pool.verify(f"sign in {number}", None, None))
        tasks.create_task(pool.hash("made again at sign-in", None, "sign-in"))
        while not pool.full("sign-in"):
            await asyncio.sleep(0)
        assert await _refused(pool.verify("surplus", None, None)) == "overloaded"
        gate.go.release(7)
    assert gate.begun[0] == "under way"
    assert gate.begun[1:] in (
        ["sign in 0", "new 0", "sign in 1", "new 1", "made again at sign-in", "new 2"],
        ["new 0", "sign in 0", "new 1", "sign in 1", "new 2", "made again at sign-in"],
    )


class Meeting:
    """Neither goes on before both are there."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)

    def hash(self, password: str) -> str:
        self.barrier.wait(60)
        return password


async def test_threads_hash_in_parallel() -> None:
    async with pool_of(2, Meeting()) as pool:
        assert await asyncio.gather(pool.hash("0", None), pool.hash("1", None)) == ["0", "1"]


@pytest.mark.parametrize(
    ("stored", "shared"),
    [
        ("$argon2id$v=19$m=32768,t=4,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", True),
        ("$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi", True),
        ("$scrypt$ln=14,r=8,p=2$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI", True),
        ("$pbkdf2-sha256$300000$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ", True),
        # In Python: why formats.py lets in one at a time.
        ("$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD", False),
    ],
    ids=["argon2", "bcrypt", "scrypt", "pbkdf2", "sha-crypt"],
)
def test_hash_formats_release_the_gil_as_declared(stored: str, shared: bool) -> None:
    """With switches by time turned off, another thread runs in mid-work only if the work lets it."""
    work: list[float] = []
    seen: list[float] = []

    def verifying() -> None:
        work.append(time.perf_counter())
        verify("secret", stored)
        work.append(time.perf_counter())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        worker = threading.Thread(target=verifying)
        worker.start()
        while worker.is_alive():
            seen.append(time.perf_counter())
            time.sleep(0.0005)
    finally:
        sys.setswitchinterval(interval)
    began, ended = work
    tenth = (ended - began) / 10
    assert any(began + tenth < moment < ended - tenth for moment in seen) == shared


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_memory_is_bounded_by_threads_not_by_waiting_hashes() -> None:
    async with pool_of(2, capacity=100) as pool:
        stored = await pool.hash("secret", None)
        while len(_processes()) < 3:
            await asyncio.gather(*(pool.hash("secret", None) for _ in range(4)))
        before = _new_peak_kib()
        waiting = (pool.verify("wrong", stored, None) for _ in range(40))
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(result, Refusal):  # On a busy machine its turn comes too late.
                assert result.code == "overloaded"
            else:
                assert result == Verified(ok=False, outdated=False)
        assert _peak_kib() - before < 2 * 19456 + 8192


def _processes() -> list[Path]:
    """Ours, and those that compute for it."""
    ours = psutil.Process()
    return [Path("/proc", str(each.pid)) for each in (ours, *ours.children()) if each == ours or _computes(each)]


def _computes(process: psutil.Process) -> bool:
    return any(argument.endswith("digests.py") for argument in process.cmdline())


def _new_peak_kib() -> int:
    """Count the peak from now on."""
    for process in _processes():
        (process / "clear_refs").write_text("5", "ascii")
    return _peak_kib()


def _peak_kib() -> int:
    """Of all together."""
    statuses = [(process / "status").read_text("ascii") for process in _processes()]
    return sum(int(status.split("VmHWM:")[1].split()[0]) for status in statuses)

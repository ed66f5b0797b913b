"""A full disk under load: what was acknowledged is kept, and all goes on once there is room, without a hand."""

import asyncio
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.servers import Denizen, eventually
from tests.support.traffic import assert_nothing_lost, traffic

_MEGABYTE = bytes(1_000_000)
_FULL = "no space left on device"


@contextmanager
def _small_disk(at: Path) -> Generator[None]:
    """A file system of 400 MB; to mount one takes root."""
    at.mkdir(0o755, parents=True)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", at], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def _fill(disk: Path) -> Path:
    """Leave no room for a page more."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(_MEGABYTE)
    return filler


@pytest.mark.slow
async def test_full_disk_loses_nothing(tmp_path: Path) -> None:
    denizen = Denizen(tmp_path / "home")
    with _small_disk(denizen.home):
        denizen.start()
        try:
            async with traffic(denizen) as load:
                await load.goes_on()
                before = denizen.pids()["nats"]
                filler = await asyncio.to_thread(_fill, denizen.home)
                await asyncio.to_thread(eventually, lambda: load.refused > 0, 30, "a refusal for want of room")
                filler.unlink()
                await load.goes_on(30)
                # Whether nats-server had to write in that moment is chance, and what it says of it takes a while.
                if _has_said(denizen, _FULL):
                    renewed = partial(_has_another, denizen, "nats", before)
                    await asyncio.to_thread(eventually, renewed, 30, "a nats-server that writes again")
                    await load.goes_on(30)
            await assert_nothing_lost(denizen, load)
        finally:
            denizen.stop()


@pytest.mark.slow
async def test_full_stream_is_caught_up(tmp_path: Path) -> None:
    denizen = Denizen(tmp_path / "home")
    disk = denizen.home / "nats"
    with _small_disk(disk):
        denizen.start()
        try:
            async with traffic(denizen) as load:
                await load.goes_on()
                before = denizen.pids()["nats"]
                filler = await asyncio.to_thread(_fill, disk)
                full = partial(_has_said, denizen, _FULL)
                await asyncio.to_thread(eventually, full, 30, "a stream that cannot be written to")
                filler.unlink()
                renewed = partial(_has_another, denizen, "nats", before)
                await asyncio.to_thread(eventually, renewed, 30, "a nats-server that writes again")
                await load.goes_on(30)
            await assert_nothing_lost(denizen, load)
        finally:
            denizen.stop()


def _has_said(denizen: Denizen, what: str) -> bool:
    return what in denizen.errors()


def _has_another(denizen: Denizen, child: str, pid: int) -> bool:
    return denizen.pids().get(child) not in (None, pid)

"""Fails where a lock in requirements/ does not hold for every Python and platform that the README names.

Two things together say that it holds: each distribution is pinned with the hashes of all files that the public index
had when the lock was made, and for each platform the index has a wheel of every pinned version.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts import lock

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin")
_PINNED = re.compile(r"^([a-z0-9-]+)==([^\s;]+).*\n((?:    --hash=\S+.*\n)+)", re.MULTILINE)

Hashes = Mapping[str, frozenset[str]]
"""By `name==version`: the hashes of the files that may be installed."""


def main() -> int:
    """Returns the exit code."""
    faults = [*_stale(), *_missing_wheels()]
    for fault in faults:
        print(f"locks: {fault}", file=sys.stderr)
    if not faults:
        print(f"locks: complete, for Python {', '.join(PYTHONS)} on {', '.join(PLATFORMS)}")
    return 1 if faults else 0


def hashes(text: str) -> Hashes:
    """The hashes of each distribution of a lock."""
    return {
        f"{name}=={version}": frozenset(re.findall(r"--hash=(\S+)", rest))
        for name, version, rest in _PINNED.findall(text)
    }


def differences(ours: Hashes, index: Hashes) -> Iterator[str]:
    """What a lock lacks of the files that the index has, and what it pins that nothing needs."""
    for pinned in sorted(ours.keys() | index.keys()):
        have, exist = ours.get(pinned), index.get(pinned)
        if have is None:
            yield f"{pinned} is not pinned"
        elif exist is None:
            yield f"{pinned} is pinned, but nothing needs it"
        elif missing := exist - have:
            yield f"{pinned} has the hashes of {len(exist) - len(missing)} of its {len(exist)} files"
        elif unknown := have - exist:
            yield f"{pinned} has {len(unknown)} hashes of files that the index does not have"


def _stale() -> Iterator[str]:
    """Resolve again with the same versions at the same time, and compare."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        for name in lock.SETS:
            shutil.copy(lock.DIRECTORY / f"{name}.txt", directory)
        lock.compile_all(directory, lock.as_of((directory / "dev.txt").read_text("utf-8")))
        for name in lock.SETS:
            ours, index = ((folder / f"{name}.txt").read_text("utf-8") for folder in (lock.DIRECTORY, directory))
            for difference in differences(hashes(ours), hashes(index)):
                yield f"requirements/{name}.txt: {difference}; run `make lock` and commit it"


def _missing_wheels() -> Iterator[str]:
    for platform in PLATFORMS:
        for python in PYTHONS:
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    lock.uv(
                        "pip", "install", "--dry-run", "--only-binary", ":all:", "--require-hashes",
                        "--target", scratch, "--python-platform", platform, "--python-version", python,
                        "-r", "requirements/dev.txt",
                    )  # fmt: skip
                except subprocess.CalledProcessError:
                    yield f"requirements/dev.txt cannot be installed from wheels by Python {python} on {platform}"


if __name__ == "__main__":
    sys.exit(main())

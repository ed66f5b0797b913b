"""Pins every distribution that we install, by version and by the hashes of all of its files, in requirements/*.txt.

uv resolves and pip installs: uv alone writes one file for every Python version and platform, and pip alone is on every
machine. A lock depends on the public index and a time, and on nothing that the locking machine has: uv reads no
configuration, no cache and no local index here, because a wheel found at hand would leave out the hashes of all others.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIRECTORY = ROOT / "requirements"
SETS = {
    "build": ["--group", "build"],
    "runtime": ["pyproject.toml"],
    "embedded": ["pyproject.toml", "--extra", "embedded", "--group", "build"],
    "dev": ["pyproject.toml", "--all-extras", "--group", "dev"],
}
"""File in requirements/, and what is in it. Each later set is held to the versions of those before it."""
_AS_OF = re.compile(r"make lock AS_OF=(\S+)")


def main() -> int:
    """Rewrite requirements/*.txt. Returns the exit code."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take newer versions, also where what is pinned fits")
    parser.add_argument("--as-of", default=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", help="the index at this time")
    arguments = parser.parse_args()
    compile_all(DIRECTORY, arguments.as_of, ["--upgrade"] if arguments.upgrade else [])
    return 0


def compile_all(directory: Path, as_of: str, options: Iterable[str] = ()) -> None:
    """Resolve each set into its file in `directory`; versions that stand there already stay where they fit.

    `as_of`: an RFC 3339 time; files that the index got later do not exist, so the same time gives the same lock.
    Raises subprocess.CalledProcessError where the index cannot be asked or nothing fits.
    """
    earlier: list[str] = []
    for name, what in SETS.items():
        target = directory / f"{name}.txt"
        if target.exists():
            # uv takes over the hashes that stand there, however few: only the versions may stay.
            target.write_text(re.sub(r" \\\n    --hash=\S+", "", target.read_text("utf-8")), "utf-8")
        uv(
            "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11", "--exclude-newer", as_of,
            "--no-emit-package", "denizen", "--custom-compile-command", f"make lock AS_OF={as_of}", "--no-annotate",
            "--output-file", str(target), *what, *options, *earlier,
        )  # fmt: skip
        earlier += ["--constraint", str(target)]


def as_of(lock: str) -> str:
    """The time of the index that a lock was made from. Raises ValueError where the lock does not say."""
    if found := _AS_OF.search(lock):
        return found[1]
    raise ValueError("this lock does not say of which time it is: run `make lock` and commit it")


def uv(*arguments: str) -> None:
    """Run uv on the public index alone. Raises subprocess.CalledProcessError."""
    command = [sys.executable, "-m", "uv", "--quiet", "--no-config", "--no-cache", *arguments]
    subprocess.run(command, cwd=ROOT, env=public(os.environ), stdout=subprocess.DEVNULL, check=True)


def public(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the settings of uv and pip that name an index, a cache or a folder of wheels."""
    return {name: value for name, value in environment.items() if not name.startswith(("UV_", "PIP_"))}


if __name__ == "__main__":
    sys.exit(main())

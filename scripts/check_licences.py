"""Fails where something that we ship, run or build with has a licence that is not on the list."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

PINNED = Path(__file__).parent.parent / "requirements" / "dev.txt"
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PostgreSQL",
    "PSF-2.0",
    "Unlicense",
}
LINKED = {"psycopg", "psycopg-binary"}
"""Under the LGPL: used as they are, as a library that the user can replace, and so allowed by name."""
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PostgreSQL License": "PostgreSQL",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}


def main() -> int:
    """Returns the exit code."""
    names = re.findall(r"^([a-z0-9-]+)==", PINNED.read_text("utf-8"), re.MULTILINE)
    faults = [fault for name in names for fault in check(name)]
    print(*faults, sep="\n", file=sys.stderr, end="\n" if faults else "")
    print(f"licences: {len(names)} distributions, {len(faults)} not allowed")
    return 1 if faults else 0


def check(name: str) -> Iterator[str]:
    """What is wrong with the licence of an installed distribution; nothing where this platform does not need it."""
    try:
        expressions = licences(name)
    except PackageNotFoundError:
        return
    if not expressions:
        yield f"{name}: names no licence"
    for expression in expressions:
        if name not in LINKED and not allowed(expression):
            yield f"{name}: {expression}"


def licences(name: str) -> list[str]:
    """SPDX expressions of an installed distribution, by its metadata: all of them apply."""
    about = metadata(name)
    if expression := about.get_all("License-Expression"):
        return [str(expression[0])]
    classifiers = [str(line) for line in about.get_all("Classifier", [])]
    named = [line.rsplit(" :: ", 1)[-1] for line in classifiers if line.startswith("License :: OSI Approved :: ")]
    return [CLASSIFIERS.get(licence, licence) for licence in named] or [str(t) for t in about.get_all("License", [])]


def allowed(expression: str) -> bool:
    """Whether an SPDX expression can be met by licences of the list: one side of each OR, both of each AND."""
    inner = re.search(r"\(([^()]*)\)", expression)
    if inner:
        met = "MIT" if allowed(inner[1]) else "refused"
        return allowed(expression[: inner.start()] + met + expression[inner.end() :])
    sides = re.split(r"\s+OR\s+", expression)
    return any(all(part.strip() in ALLOWED for part in re.split(r"\s+AND\s+", side)) for side in sides)


if __name__ == "__main__":
    sys.exit(main())

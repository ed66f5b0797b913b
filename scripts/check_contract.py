"""Fails where contracts/asyncapi.json is not what the code serves, or breaks those who rely on the last release."""

import json
import os
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

from scripts.contract_changes import breaking
from services.endpoint import contract

ROOT = Path(__file__).parent.parent
FILE = "contracts/asyncapi.json"
ACCEPTED = "contracts/accepted-breaks.toml"


def main() -> int:
    """Returns the exit code."""
    if (ROOT / FILE).read_text("utf-8") != contract.text():
        print(f"{FILE} is stale: run `make contract` and commit it", file=sys.stderr)
        return 1
    before = base()
    released = _git("show", f"{before}:{FILE}") if before else None
    if released is None:
        print("contract: up to date; there is no earlier one to compare with")
        return 0
    faults = breaking(json.loads(released), contract.document())
    declared = _accepted()
    accepted = [fault for fault in faults if any(fnmatchcase(fault, each) for each in declared)]
    if accepted:
        print(f"contract: {len(accepted)} breaks of {before} are accepted, with their reasons, in {ACCEPTED}")
    faults = [fault for fault in faults if fault not in accepted]
    for fault in faults:
        print(f"contract: breaks {before}: {fault}", file=sys.stderr)
    if not faults:
        print(f"contract: up to date, and otherwise compatible with {before}")
    return 1 if faults else 0


def _accepted() -> list[str]:
    """Patterns of the faults that are declared."""
    declared = tomllib.loads((ROOT / ACCEPTED).read_text("utf-8"))
    return [fault for each in declared.get("accepted", []) for fault in each["faults"]]


def base() -> str | None:
    """The commit to compare with: the one in the environment, the last release, or where this branch began."""
    if named := os.environ.get("CONTRACT_BASE"):
        return named
    if tag := _git("describe", "--tags", "--abbrev=0", "--match", "v*"):
        return tag.strip()
    fork = _git("merge-base", "HEAD", "origin/HEAD") or _git("merge-base", "HEAD", "origin/main")
    return fork.strip() if fork else None


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())

"""Checks what the documentation points at: links, anchors, files, tests, and the numbers of decisions.

    python -m scripts.check_docs

The exit code is 1 where something does not exist. Addresses of other sites are not looked up.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
DECISIONS = Path("docs/decisions")
_HISTORY = ("CHANGELOG.md",)
"""Pages that name files as they were at the time."""
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_TEST = re.compile(r"\b(tests/[\w/]+\.py)::(\w+)")
_FOLDERS = "services|projections|contracts|tests|scripts|bench|deploy|docs|examples"
_FILE = re.compile(rf"(?<![\w/.-])((?:{_FOLDERS})/[\w./-]*[\w/])")
_MODULE = re.compile(r"\btest_\w+\.py\b")
_PAGE = re.compile(r"\bdocs/[\w/.-]+\.md\b")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MADE = ("bench/results",)
"""What programs write, and git ignores."""


def main() -> int:
    """Returns the exit code."""
    found = list(faults(ROOT, tracked(ROOT)))
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"documentation: {len(found)} faults")
    return 1 if found else 0


def tracked(root: Path) -> list[Path]:
    """The files of the repository, relative to its root, with those that are to be added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return [Path(line) for line in done.stdout.splitlines() if (root / line).is_file()]


def faults(root: Path, files: Sequence[Path]) -> Iterator[str]:
    """Each thing that a page or a comment points at and that does not exist, as one line for people."""
    for file in files:
        if file.suffix == ".md":
            text = (root / file).read_text("utf-8")
            yield from (f"{file}: {fault}" for fault in _page_faults(root, file, text))
        elif file.suffix in (".py", ".yaml", ".yml", ".conf", ".sql", ".toml") or file.name == "Makefile":
            text = (root / file).read_text("utf-8")
            missing = {page for page in _PAGE.findall(text) if not (root / page).exists()}
            yield from (f"{file}: {page} does not exist" for page in sorted(missing))
    yield from _decision_faults(files)


def _page_faults(root: Path, file: Path, text: str) -> Iterator[str]:
    for target in _LINK.findall(_FENCE.sub("", text)):
        if "://" not in target and not target.startswith("mailto:"):
            yield from _link_faults(root, file, target)
    if file.name in _HISTORY:
        return
    for path, name in _TEST.findall(text):
        if name not in tests_of(root / path):
            yield f"there is no test {path}::{name}"
    for path in sorted({match.rstrip("/.") for match in _FILE.findall(text)}):
        if path not in _MADE and not any(root.glob(f"{path}*")):
            yield f"{path} does not exist"
    for name in sorted(set(_MODULE.findall(text))):
        if not any(root.glob(f"tests/**/{name}")):
            yield f"there is no {name} in tests/"


def _link_faults(root: Path, file: Path, target: str) -> Iterator[str]:
    path, _, anchor = target.partition("#")
    page = (root / file).parent / path if path else root / file
    if not page.exists():
        yield f"the link to {target} leads nowhere"
    elif anchor and anchor not in anchors(page.read_text("utf-8")):
        yield f"the link to {target} names a heading that does not exist"


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: a second heading of the same words gets -1, and so on."""
    seen: Counter[str] = Counter()
    made: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        made.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return made


@cache
def tests_of(path: Path) -> frozenset[str]:
    """The names of the tests in a file; none if the file does not exist."""
    if not path.exists():
        return frozenset()
    functions = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, _FUNCTIONS))
    return frozenset(node.name for node in functions if node.name.startswith("test"))


def _decision_faults(files: Sequence[Path]) -> Iterator[str]:
    numbers = Counter(file.name[:4] for file in files if file.parent == DECISIONS and file.name[:4].isdigit())
    for number, count in sorted(numbers.items()):
        if count > 1:
            yield f"{DECISIONS}: {count} decisions have the number {number}"


if __name__ == "__main__":
    sys.exit(main())

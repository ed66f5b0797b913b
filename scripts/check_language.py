"""Refuses pronouns that hide the role of a person or a program, and words of another century.

A user is "the user" or "they", others are named. A word in quotes of its own (`nobody` of Unix) is a value.

    python -m scripts.check_language

It reads the code, the documentation and the tests, names of functions included. Of Python it also reads docstrings and
comments as sentences: a docstring begins with a capital letter or the name of a program or a format, and its first
paragraph ends with a full stop; no sentence has "Who …" as its subject. The exit code is 1 where it finds a fault.
"""

import ast
import inspect
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFUSED = (
    *("he", "him", "his", "himself", "she", "her", "hers", "herself"),
    *("somebody", "someone", "nobody", "anybody", "anyone", "everybody", "everyone"),
    *("whoever", "whomever", "whosoever"),
    *("anew", "hitherto", "thereof", "whereby"),
    *("mourn", "mourns", "mourned", "mourning", "poke", "pokes", "poked", "poking"),
)
# Letters alone bound a word, so that parts of a name in snake case are words too. `nobody` in quotes is a user of Unix.
_QUOTED = re.compile(r"`[A-Za-z]+`|\"[A-Za-z]+\"")
_WORD = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(REFUSED)})(?![A-Za-z0-9])", re.IGNORECASE)
_BEGINNING = re.compile(
    r"[A-Z0-9`\"'$(\[…<{*%-]|[a-z][\w.]*[_./:@()\d]|(?:denizen|asyncio|bcrypt|better-auth|joserfc|kill|nats-py|nats-server)\b"
)
"""A capital letter, or a name that is written so: of a file, a function, a program."""
_END = (".", ":", "!", "?", ")", "`", '"')
_WHO = re.compile(r"(?:^|[.;:!?] )(Who|Whom|Whose)\b(?! is it| it is)")
_WHO_AFTER_HASH = re.compile("#.*Who")
"""Found in each text with a comment that has the word: to cut all texts into tokens takes seconds."""
_HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)
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
            text = path.read_text("utf-8")
            for number, line in enumerate(text.splitlines(), 1):
                yield from (
                    f"{name}:{number}: name the role, or use a plain word, instead of `{word}`" for word in words(line)
                )
            if path.suffix == ".py":
                yield from (f"{name}:{number}: {fault}" for number, fault in sentence_faults(text))


def words(line: str) -> list[str]:
    """The refused words in a line."""
    return _WORD.findall(_QUOTED.sub("", line))


def sentence_faults(text: str) -> Iterator[tuple[int, str]]:
    """The faults of the docstrings and comments of a module, each with its line."""
    for line, docstring in _docstrings(text):
        if not _BEGINNING.match(docstring):
            yield line, "a docstring begins with a capital letter"
        if not docstring.split("\n\n")[0].rstrip().endswith(_END):
            yield line, "the first paragraph of a docstring ends with a full stop"
        if subject := _WHO.search(" ".join(docstring.split())):
            yield line, f"name the role instead of `{subject[1]} …`"
    for line, comment in _comments(text) if _WHO_AFTER_HASH.search(text) else ():
        if subject := _WHO.search(comment):
            yield line, f"name the role instead of `{subject[1]} …`"


def _docstrings(text: str) -> Iterator[tuple[int, str]]:
    """Strings that stand alone: of modules, classes, functions, and below an attribute or a constant."""
    nodes: list[ast.AST] = [ast.parse(text)]
    for node in nodes:  # It grows meanwhile: by what can hold statements, for expressions are most of a text.
        nodes += (child for child in ast.iter_child_nodes(node) if isinstance(child, _HOLDERS))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                match statement:
                    case ast.Expr(ast.Constant(str(docstring))):
                        yield statement.lineno, inspect.cleandoc(docstring)
                    case _:
                        pass


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.removeprefix("#").strip()


if __name__ == "__main__":
    sys.exit(main())

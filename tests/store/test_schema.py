"""The schema is the sum of its migrations, and each migration has a number of its own."""

from collections import Counter
from importlib.resources import files

from scripts import schema
from services.embedded.postgres import Postgres
from services.eventstore.migrations.migrate import migrate
from tests.store.test_migrate import empty_database

TWICE = {"0003": ["0003.rebuild", "0003.search"]}
"""Numbers that two migrations have. They stay: a home that applied a migration knows it by its name."""


def test_schema_file_is_the_sum_of_the_migrations(postgres: Postgres) -> None:
    url = empty_database(postgres)
    migrate(url, schema.CELL)
    assert schema.PATH.read_text("utf-8") == schema.dumped(url), "run `make reference`"


def test_migrations_have_numbers_of_their_own() -> None:
    steps = files("services.eventstore.migrations") / "steps"
    names = sorted(path.name.removesuffix(".sql") for path in steps.iterdir())
    counts = Counter(name[:4] for name in names)
    shared = {number: [name for name in names if name.startswith(number)] for number in counts if counts[number] > 1}
    assert shared == TWICE, "give the new migration the next free number"

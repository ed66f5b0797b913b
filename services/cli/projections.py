"""`denizen projections`."""

import gc
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import psycopg
import typer
import uvloop

import projections
from projections import Projection
from services.cli import environment, errors, show
from services.cli.arguments import AsJson
from services.eventstore.keys import data_keys as keys
from services.eventstore.log.postgres import PostgresEventStore
from services.platform import causes, sql
from services.platform.database import Database, DatabaseUnavailable
from services.platform.settings import Settings
from services.projector.checkpoints import ProjectionNewer
from services.projector.filling import SecondProcessEnded
from services.projector.rebuild import Rebuild, RebuildRunning, Rebuilt, TableInUse

app = typer.Typer(no_args_is_help=True, add_completion=False)

T = TypeVar("T")
_BY_NAME = {projection.name: projection for projection in projections.ALL}


@dataclass(frozen=True, slots=True)
class _Status:
    """How a projection stands; `version` is None where it is not there. `since`: when it last moved."""

    name: str
    version: int | None
    position: int
    lag: int | None
    since: datetime | None

    @property
    def current(self) -> bool:
        """It has the form that this Denizen writes; else its projector is about to rebuild it."""
        return self.version == _BY_NAME[self.name].version


@app.callback()
def _group() -> None:
    """See how far the projections are, and rebuild them from the log.

    Needs DENIZEN_DATABASE_URL, or a running `denizen up` on DENIZEN_HOME; a rebuild needs the keys too.
    """


@app.command()
def status(as_json: AsJson = False) -> None:
    """List the projections. Exit code 1 where one is missing or of another version: the projector rebuilds it."""
    settings = environment.with_database()[0]
    found = _run(_status(settings))
    if as_json:
        show.json({"projections": [_facts(each) for each in found]})
    else:
        rows = [
            (
                each.name,
                "missing" if each.version is None else str(each.version),
                str(each.position),
                "" if each.lag is None else str(each.lag),
                "" if each.since is None else show.time(each.since),
            )
            for each in found
        ]
        wanting = ", ".join(each.name for each in found if not each.current)
        note = f"to be rebuilt: {wanting}" if wanting else f"{len(found)} projections"
        show.table(["name", "version", "position", "lag", "since"], rows, note)
    raise typer.Exit(0 if all(each.current for each in found) else 1)


@app.command()
def rebuild(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="The default is all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild projections from the log. Queries go on, and see the new ones once those are complete."""
    unknown = set(names or []) - _BY_NAME.keys()
    if unknown:
        raise typer.BadParameter(f"no such projection: {', '.join(sorted(unknown))}; there are {', '.join(_BY_NAME)}")
    chosen = [each for each in projections.ALL if not names or each.name in names]
    settings = environment.with_database()[0]
    began = time.perf_counter()
    built = _run(_rebuild(settings, chosen))
    seconds = round(time.perf_counter() - began, 3)
    if as_json:
        facts = {"projections": built.names, "position": built.position, "seconds": seconds}
        show.json(facts)
    else:
        show.say(f"Rebuilt up to position {built.position} in {seconds:.1f} s: {', '.join(built.names)}.")


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return uvloop.run(work)
    except (keys.KeysMissing, DatabaseUnavailable, RebuildRunning, SecondProcessEnded, TableInUse) as error:
        raise errors.failed(f"{error}.") from error
    except ProjectionNewer as error:
        raise errors.failed(f"A later version of Denizen made the projection {error}.") from error
    except psycopg.errors.UndefinedTable as error:
        raise errors.failed("The database is not migrated: run `denizen migrate`.") from error
    except psycopg.Error as error:
        says = causes.of_postgres(error) or f"PostgreSQL refuses: {type(error).__name__}"
        raise errors.failed(f"The projections cannot be used: {says}.") from error


async def _status(settings: Settings) -> list[_Status]:
    database = Database(settings, "projections")
    try:
        rows = await database.fetch(sql.load("services.cli", "projections_status"), [])
    finally:
        await database.close()
    found = {name: _Status(name, version, position, lag, since) for name, version, position, lag, since in rows}
    return [found.get(name, _Status(name, None, 0, None, None)) for name in _BY_NAME]


def _facts(each: _Status) -> dict[str, Any]:
    return {
        "name": each.name,
        "version": each.version,
        "position": each.position,
        "lag": each.lag,
        "since": each.since,
        "current": each.current,
    }


async def _rebuild(settings: Settings, chosen: Sequence[Projection]) -> Rebuilt:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    # Nothing that is made here refers to itself: the collector would look through each batch in vain.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    store = PostgresEventStore(settings, keys.load(settings), "rebuild")
    columns = TextColumn("Building"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    try:
        # Without the right keys every user would look erased.
        await store.check_keys()
        with Bar(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
            task = bar.add_task("", total=None)
            return await Rebuild(settings, store).run(
                chosen, lambda done, total: bar.update(task, completed=done, total=total)
            )
    finally:
        await store.close()

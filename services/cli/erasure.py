"""`denizen erasure`."""

import sys
from typing import Annotated

import psycopg
import typer
from denizen.messages import UserId
from pydantic import TypeAdapter, ValidationError

from services.cli import environment, errors, show
from services.cli.arguments import AsJson
from services.erasure.receipt import Place, Receipt
from services.platform import causes
from services.platform.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Prove that a user was erased."""


@app.command()
def verify(
    user_id: Annotated[str, typer.Argument(help="The id of the user, user_…", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Look for an erased user in every table, stream and file of ours. Exit code 1 where anything is left.

    Needs DENIZEN_DATABASE_URL of the owner and DENIZEN_NATS_URL of the NATS user `operator`, or a running `denizen up`
    on DENIZEN_HOME, whose files are looked through too.
    """
    try:
        TypeAdapter(UserId).validate_python(user_id)
    except ValidationError:
        raise typer.BadParameter("not the id of a user", param_hint="USER_ID") from None
    settings, url = environment.with_database()
    try:
        receipt = _search(url, settings, user_id)
    except psycopg.Error as error:
        raise errors.failed(f"The log cannot be read: {causes.of_postgres(error) or type(error).__name__}.") from error
    if as_json:
        show.json(receipt.body())
    else:
        _tell(receipt)
    raise typer.Exit(0 if receipt.erased else 1)


def _search(url: str, settings: Settings, user_id: str) -> Receipt:
    from rich.console import Console

    from services.erasure.search import search

    console = Console(stderr=True)
    if not sys.stderr.isatty():
        return search(url, settings, user_id, lambda _: None)
    with console.status("Looking") as status:
        return search(url, settings, user_id, lambda where: status.update(f"Looking through {where}"))


def _tell(receipt: Receipt) -> None:
    show.say(f"Receipt of erasure: {receipt.user_id}")
    if (stone := receipt.tombstone) is not None:
        show.say(f"Deleted {show.time(stone.deleted_at)}, position {stone.position}, hash {stone.hash}")
    for place in receipt.places:
        show.hanging(*_line(place))
        for fault in place.faults:
            show.hanging(" " * 9, show.plain(fault))
    for each in receipt.not_searched if receipt.tombstone else ():
        show.hanging("not here ", each)
    show.say("Nothing is left." if receipt.erased else "The user is not erased.")


def _line(place: Place) -> tuple[str, str]:
    counted = "" if place.searched is None else f"{place.searched} looked through"
    kept = f", {place.kept} kept: {place.reason}" if place.kept else ""
    return f"{'LEFT' if place.faults else 'ok':<9}{place.place:<32}", f"{counted}{kept}"

"""`denizen keys`."""

import asyncio
from typing import Annotated

import orjson
import psycopg
import typer

from services.cli import environment
from services.database import Database, DatabaseUnavailable
from services.eventstore import keys
from services.eventstore.postgres import PostgresEventStore
from services.settings import Settings
from services.tokens.keys import Kind, Rotation, ServerKeys

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def _group() -> None:
    """Rotate keys.

    Needs the keys (DENIZEN_KEY_ENCRYPTION_KEYS and DENIZEN_CLAIM_KEY, or DENIZEN_HOME/keys), and DENIZEN_DATABASE_URL
    or a running `denizen up` on DENIZEN_HOME.
    """


@app.command("rotate-signing")
def rotate_signing(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The old key has leaked: refuse all that it has signed, now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sign access tokens with a new key. Those that are out stay good until they expire, unless --at-once."""
    rotation = _rotate("signing", at_once)
    if as_json:
        _print("signing", rotation, at_once)
        return
    rest = "refused within 2 seconds" if at_once else "good until they expire"
    typer.echo(f"Access tokens are signed with the key {rotation.key_id}; those of older keys are {rest}.")


@app.command("rotate-sealing")
def rotate_sealing(as_json: AsJson = False) -> None:
    """Have secrets in requests sealed for a new key. The old one opens for 10 minutes more, and is then deleted."""
    rotation = _rotate("sealing", False)
    if as_json:
        _print("sealing", rotation, False)
        return
    typer.echo(f"Secrets are sealed for the key {rotation.key_id}; the old one opens for 10 minutes more.")


def _print(kind: Kind, rotation: Rotation, at_once: bool) -> None:
    facts = {"kind": kind, "keyId": rotation.key_id, "oldKeyIds": rotation.old, "atOnce": at_once}
    typer.echo(orjson.dumps(facts).decode())


def _rotate(kind: Kind, at_once: bool) -> Rotation:
    settings = environment.settings()
    if settings.database_url is None:
        typer.echo("DENIZEN_DATABASE_URL is not set, and no `denizen up` runs on DENIZEN_HOME.", err=True)
        raise typer.Exit(2)
    try:
        return asyncio.run(_rotated(settings, kind, at_once))
    except (keys.KeysMissing, DatabaseUnavailable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except psycopg.Error as error:
        typer.echo(f"The key cannot be rotated: {type(error).__name__}.", err=True)
        raise typer.Exit(1) from error


async def _rotated(settings: Settings, kind: Kind, at_once: bool) -> Rotation:
    ring = keys.load(settings)
    store = PostgresEventStore(settings, ring, "keys")
    database = Database(settings, "keys")
    try:
        # Wrapped under another key, the new one could be opened by no service.
        await store.check_keys()
        return await ServerKeys(database, settings, ring).rotate(kind, at_once=at_once)
    finally:
        await database.close()
        await store.close()

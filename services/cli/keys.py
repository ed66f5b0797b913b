"""`denizen keys`."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, NoReturn

import psycopg
import typer

from services.cli import environment, errors, show
from services.cli.arguments import AsJson
from services.eventstore.keys import data_keys as keys
from services.eventstore.keys.rotation import Rotation, RotationRefused, rotate
from services.eventstore.log.postgres import PostgresEventStore
from services.platform import causes
from services.platform.database import Database, DatabaseUnavailable
from services.platform.settings import Settings
from services.tokens.keys import LEAD_SECONDS, KeyKind, RotatedKeys, ServerKeys

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Rotate keys.

    Needs the keys (DENIZEN_KEY_ENCRYPTION_KEYS and DENIZEN_CLAIM_KEY, or DENIZEN_HOME/keys), and DENIZEN_DATABASE_URL
    or a running `denizen up` on DENIZEN_HOME.
    """


@app.command("rotate")
def rotate_encryption(
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Leave the files of old key-encryption keys where they are.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rewrap every key under a new key-encryption key, and delete the old one: backups older than this die with it.

    Services go on meanwhile. Interrupted, it goes on where it was when it is called again. Keys in the environment:
    add the new one there first, and restart every service.
    """
    settings = environment.with_database()[0]
    try:
        rotation = asyncio.run(_with_progress(settings, keep_old))
    except RotationRefused as error:
        raise errors.failed(f"{error}.") from error
    except (keys.KeysMissing, DatabaseUnavailable, psycopg.Error) as error:
        _fail(error)
    if as_json:
        show.json(asdict(rotation))
    else:
        _tell(rotation, settings)


async def _with_progress(settings: Settings, keep_old: bool) -> Rotation:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("Wrapping keys"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("", total=None)
        return await rotate(
            settings,
            keep_old=keep_old,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _tell(rotation: Rotation, settings: Settings) -> None:
    show.say(f"Every key is wrapped under epoch {rotation.epoch}; {rotation.rewrapped} were rewrapped.")
    if rotation.removed:
        show.say(f"Deleted from {settings.home / 'keys'}: {_names(rotation.removed)}.")
    if not keys.in_environment(settings):
        show.say(f"Back up {settings.home / 'keys'}/kek-{rotation.epoch} now, apart from the database.")
        if rotation.left:
            show.say(f"They open nothing of this log any more: {_names(rotation.left)} in {settings.home / 'keys'}.")
    elif rotation.left:
        epochs = ", ".join(map(str, rotation.left))
        show.say(f"Remove epoch {epochs} from DENIZEN_KEY_ENCRYPTION_KEYS everywhere: it opens nothing any more.")


def _names(epochs: Sequence[int]) -> str:
    return ", ".join(f"kek-{epoch}" for epoch in epochs)


@app.command("rotate-signing")
def rotate_signing(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The old key has leaked: refuse all that it has signed, now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sign access tokens with a new key. Tokens that the old key signed stay valid until they expire, unless --at-once.

    The new key is published at once and signs a little later, when every service and verifier has learned it.
    """
    rotation = _rotate("signing", at_once)
    if as_json:
        _print("signing", rotation, at_once)
        return
    when, rest = f" in {LEAD_SECONDS} seconds", "good until they expire"
    if at_once:
        when, rest = "", "refused within 2 seconds, while an accounts service runs"
    show.say(f"Access tokens are signed with the key {rotation.key_id}{when}; those of older keys are {rest}.")


@app.command("rotate-sealing")
def rotate_sealing(as_json: AsJson = False) -> None:
    """Have secrets in requests sealed for a new key. The old one opens for 10 minutes more, and is then deleted."""
    rotation = _rotate("sealing", False)
    if as_json:
        _print("sealing", rotation, False)
        return
    show.say(f"Secrets are sealed for the key {rotation.key_id}; the old one opens for 10 minutes more.")


def _print(kind: KeyKind, rotation: RotatedKeys, at_once: bool) -> None:
    lead = LEAD_SECONDS if kind == "signing" and not at_once else 0
    facts = {
        "kind": kind,
        "keyId": rotation.key_id,
        "oldKeyIds": rotation.old,
        "atOnce": at_once,
        "usedInSeconds": lead,
    }
    show.json(facts)


def _rotate(kind: KeyKind, at_once: bool) -> RotatedKeys:
    try:
        return asyncio.run(_rotated(environment.with_database()[0], kind, at_once))
    except (keys.KeysMissing, DatabaseUnavailable, psycopg.Error) as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    """End the command with the reason alone: psycopg's message may quote a row."""
    if isinstance(error, psycopg.Error):
        says = f"The key cannot be rotated: {causes.of_postgres(error) or type(error).__name__}."
    else:
        says = str(error)
    raise errors.failed(says) from error


async def _rotated(settings: Settings, kind: KeyKind, at_once: bool) -> RotatedKeys:
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

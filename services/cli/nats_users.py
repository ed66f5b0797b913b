"""`denizen nats-users`."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer
from nats.errors import Error as NatsError

from services.cli import environment, errors, show
from services.cli.arguments import AsJson
from services.embedded.home import Home
from services.embedded.nats import ReloadFailed, accounts_file, reload
from services.nats_users.accounts_file import Accounts, ChangeRefused, locked, write
from services.nats_users.user import (
    MOST_DURABLES,
    WITH_DURABLES,
    NatsUser,
    NatsUserKind,
    is_durable,
    is_name,
    new_password,
)

app = typer.Typer(no_args_is_help=True, add_completion=False)

File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="The accounts.conf of your nats-server; by default that of the `denizen up` on DENIZEN_HOME.",
        show_default=False,
    ),
]
UserName = Annotated[str, typer.Argument(help="Such as frontend-web.", show_default=False)]


@app.callback()
def _group() -> None:
    """Give each front end, back end, subscriber and verifier a NATS user of its own, in the file accounts.conf.

    The one that leaks opens nothing of the others. A running `denizen up` takes the change at once; another
    nats-server is yours to reload.
    """


@app.command()
def add(
    kind: Annotated[NatsUserKind, typer.Argument(help="The kind of client that connects.", show_default=False)],
    name: Annotated[str, typer.Argument(help="Up to 32 letters, digits, - and _.", show_default=False)],
    *,
    durable: Annotated[
        list[str] | None,
        typer.Option(
            help="A durable that belongs to this user. Repeat the option for more. A subscriber's default is its name."
        ),
    ] = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Add the NATS user KIND-NAME, and print its password, which is kept nowhere."""
    if not is_name(name):
        raise typer.BadParameter(
            "must be 1 to 32 letters, digits, - and _, the first of them no sign", param_hint="NAME"
        )
    password, digest = new_password()
    user = NatsUser(kind=kind, name=name, durables=_durables(kind, name, durable or []), password=digest)
    with _changing(file) as target:
        target.accounts = target.accounts.adding(user)
    facts = _facts(user) | {"password": password, "file": str(target.path), "reloaded": target.reloaded}
    if as_json:
        show.json(facts)
        return
    show.say(f"NATS user      {user.user}")
    show.say(f"Password       {password}  (shown once)")
    show.say(f"Inbox prefix   _INBOX.{user.user}  (the Python client takes it by itself)")
    if user.durables:
        show.say(f"Durables       {', '.join(user.durables)}")
    _tell(target)


@app.command()
def remove(user: UserName, *, file: File = None, as_json: AsJson = False) -> None:
    """Remove a NATS user that was added. Its connections end when nats-server has reloaded."""
    with _changing(file) as target:
        gone = target.accounts.find(user)
        target.accounts = target.accounts.removing(user)
    durables = list(gone.durables) if gone else []
    if as_json:
        facts = {"user": user, "durables": durables, "file": str(target.path), "reloaded": target.reloaded}
        show.json(facts)
        return
    show.say(f"{user} is removed.")
    for each in durables:
        show.say(f"Its durable goes on keeping its place, until you delete it: `nats consumer rm USERS_EVENTS {each}`.")
    _tell(target)


@app.command("list")
def list_users(*, file: File = None, as_json: AsJson = False) -> None:
    """List the NATS users that were added, and whether the shared ones are there."""
    with _refusals(path := _path(file)):
        accounts = _read(path, file)
    if as_json:
        show.say(orjson.dumps({"shared": accounts.shared, "users": [_facts(each) for each in accounts.users]}).decode())
        return
    for each in accounts.users:
        show.say(f"{each.user:<44}{', '.join(each.durables)}".rstrip())
    show.say(f"The shared users backend, frontend and subscriber are {'there' if accounts.shared else 'left out'}.")


@app.command()
def shared(
    state: Annotated[Literal["on", "off"], typer.Argument(show_default=False)],
    *,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Leave out the shared users backend, frontend and subscriber (off), as production should; on puts them back."""
    if file is None:
        raise typer.BadParameter(
            "is needed: clients of `denizen up` that name no user are its `backend`", param_hint="--file"
        )
    with _changing(file) as target:
        target.accounts = replace(target.accounts, shared=state == "on")
    if as_json:
        facts = {"shared": state == "on", "file": str(target.path), "reloaded": target.reloaded}
        show.json(facts)
        return
    show.say(f"The shared users are {'there' if state == 'on' else 'left out'}.")
    _tell(target)


@app.command()
def refresh(*, file: File = None, as_json: AsJson = False) -> None:
    """Rewrite the added users with the templates of this version of Denizen; passwords stay. For after an update."""
    with _changing(file) as target:
        pass
    users = [each.user for each in target.accounts.users]
    if as_json:
        show.json({"users": users, "file": str(target.path), "reloaded": target.reloaded})
        return
    show.say(f"{show.counted(len(users), 'user is', 'users are')} rewritten.")
    _tell(target)


@dataclass(slots=True)
class _Target:
    """A file that is being changed, and whether a nats-server has taken the change."""

    path: Path
    accounts: Accounts
    reloaded: bool = False
    says: str = "Reload nats-server: `nats-server --signal reload`, or `docker compose kill --signal HUP nats`."


@contextmanager
def _changing(file: Path | None) -> Generator[_Target]:
    """Write what the block makes of the accounts. Ends the command where that is refused or cannot be written."""
    path = _path(file)
    with _refusals(path), locked(path.parent):
        before = _read(path, file)
        target = _Target(path, before)
        yield target
        write(path, target.accounts.written())
        if file is None:
            _take(target, before)


def _take(target: _Target, before: Accounts) -> None:
    """Have the nats-server of a running `denizen up` take the change. Raises ChangeRefused where it does not."""
    try:
        target.reloaded = asyncio.run(reload(Home(environment.read().home)))
    except (ReloadFailed, NatsError) as error:
        write(target.path, before.text)
        raise ChangeRefused(
            f"nats-server does not take it: {error or type(error).__name__}; nothing was changed. Where `denizen up` "
            "uses a NATS that is elsewhere (DENIZEN_NATS_URL), name that one's accounts.conf with --file"
        ) from error
    target.says = "nats-server has taken it." if target.reloaded else "`denizen up` takes it when it starts."


@contextmanager
def _refusals(path: Path) -> Generator[None]:
    try:
        yield
    except ChangeRefused as error:
        raise errors.failed(f"{path}: {error}.") from error
    except OSError as error:
        raise errors.failed(f"{path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise errors.failed(f"{path}: is not UTF-8.") from error


def _path(file: Path | None) -> Path:
    if file is not None:
        return file
    path = accounts_file(environment.read().home)
    if not path.parent.is_dir():
        raise typer.BadParameter(
            f"is needed, for no `denizen up` has run on {path.parents[1]}: name the accounts.conf of your nats-server",
            param_hint="--file",
        )
    return path


def _read(path: Path, file: Path | None) -> Accounts:
    """Raises ChangeRefused, OSError. A home that an earlier version made has none yet."""
    if file is None and not path.exists():
        return Accounts.shipped()
    return Accounts.parse(path.read_text("utf-8"))


def _durables(kind: NatsUserKind, name: str, given: list[str]) -> tuple[str, ...]:
    """Raises BadParameter."""
    if given and kind not in WITH_DURABLES:
        raise typer.BadParameter(f"a {kind} follows no events", param_hint="--durable")
    if not given and kind == "subscriber":
        given = [name]
    if not all(is_durable(each) for each in given):
        raise typer.BadParameter("must be 1 to 64 letters, digits, - and _", param_hint="--durable")
    if len(given) > MOST_DURABLES or len(set(given)) < len(given):
        raise typer.BadParameter(f"must be up to {MOST_DURABLES} different names", param_hint="--durable")
    return tuple(given)


def _facts(user: NatsUser) -> dict[str, object]:
    return {
        "user": user.user,
        "kind": user.kind,
        "name": user.name,
        "durables": user.durables,
        "inboxPrefix": f"_INBOX.{user.user}",
    }


def _tell(target: _Target) -> None:
    show.say(f"Written to     {target.path}")
    show.say(target.says)

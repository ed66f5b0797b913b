"""`denizen users`."""

import json
import sys
from typing import Annotated, Any

import typer
from denizen.messages import Status, User
from denizen.transport import CommandOptions

from services.cli.environment import client

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one line.")]
UserId = Annotated[str, typer.Argument(help="user_…", show_default=False)]
Key = Annotated[str | None, typer.Option("--idempotency-key", help="A repeat within 24 h changes nothing.")]
Expected = Annotated[int | None, typer.Option("--expected-version", help="Refused where the user has another version.")]
Actor = Annotated[str | None, typer.Option(help="An opaque id of who asks, for the history.")]


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise typer.BadParameter("not a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]


Section = Annotated[dict[str, Any] | None, typer.Option(parser=_object, metavar="JSON", help="A JSON object.")]


@app.callback()
def _group() -> None:
    """Create, find, change users. Needs a running Denizen: DENIZEN_NATS_URL, else the `denizen up` on DENIZEN_HOME."""


@app.command()
def create(
    *,
    email: Annotated[str, typer.Option()],
    verified: Annotated[bool, typer.Option("--verified", help="The address needs no verification.")] = False,
    external_id: Annotated[str | None, typer.Option(help="The id that your system gave the user.")] = None,
    profile: Section = None,
    metadata: Section = None,
    app_metadata: Section = None,
    idempotency_key: Key = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Create a user."""
    with client() as denizen:
        user = denizen.auth.users.create(
            email=email,
            email_verified=verified,
            external_id=external_id,
            profile=profile,
            metadata=metadata,
            app_metadata=app_metadata,
            **_options(idempotency_key, None, actor),
        )
    _show(user, as_json)


@app.command()
def get(
    user_id: Annotated[str | None, typer.Argument(help="user_…", show_default=False)] = None,
    email: Annotated[str | None, typer.Option(help="In any case.")] = None,
    external_id: Annotated[str | None, typer.Option()] = None,
    as_json: AsJson = False,
) -> None:
    """Show a user, found by id, e-mail address or external id."""
    if sum(given is not None for given in (user_id, email, external_id)) != 1:
        raise typer.BadParameter("name the user by one of USER_ID, --email and --external-id")
    with client() as denizen:
        if user_id is not None:
            user = denizen.auth.users.get(user_id)
        elif email is not None:
            user = denizen.auth.users.get_by_email(email)
        else:
            user = denizen.auth.users.get_by_external_id(external_id or "")
    _show(user, as_json)


@app.command("list")
def list_users(
    count: Annotated[int, typer.Option(min=1, max=500)] = 50,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    status: Annotated[Status | None, typer.Option()] = None,
    as_json: AsJson = False,
) -> None:
    """List users, newest first."""
    with client() as denizen:
        page = denizen.auth.users.list(count=count, offset=offset, status=status)
    if as_json:
        typer.echo(page.model_dump_json(by_alias=True))
        return
    rows = [(user.id, _plain(user.email), user.status, f"{user.created_at:%Y-%m-%dT%H:%M:%SZ}") for user in page]
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "e-mail", "status", "created", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)
    typer.echo(f"{len(page)} of {page.total} users", err=True)


@app.command()
def update(
    user_id: UserId,
    *,
    profile: Section = None,
    metadata: Section = None,
    app_metadata: Section = None,
    external_id: Annotated[str | None, typer.Option(help="An empty one removes it.")] = None,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Change a user. The objects merge at their top level; null removes a key."""
    given: dict[str, Any] = {} if external_id is None else {"external_id": external_id or None}
    with client() as denizen:
        user = denizen.auth.users.update(
            user_id,
            profile=profile,
            metadata=metadata,
            app_metadata=app_metadata,
            **given,
            **_options(idempotency_key, expected_version, actor),
        )
    _show(user, as_json)


@app.command()
def block(
    user_id: UserId,
    *,
    reason: Annotated[str | None, typer.Option(help="Kept encrypted, for the history.")] = None,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Block a user, whatever the status."""
    with client() as denizen:
        user = denizen.auth.users.block(user_id, reason=reason, **_options(idempotency_key, expected_version, actor))
    _show(user, as_json)


def _transition(name: str, summary: str) -> None:
    @app.command(name, help=summary)
    def _(
        user_id: UserId,
        *,
        idempotency_key: Key = None,
        expected_version: Expected = None,
        actor: Actor = None,
        as_json: AsJson = False,
    ) -> None:
        with client() as denizen:
            change = getattr(denizen.auth.users, name)
            user = change(user_id, **_options(idempotency_key, expected_version, actor))
        _show(user, as_json)


_transition("unblock", "Return a blocked user to the status before.")
_transition("deactivate", "Deactivate a user, whatever the status.")
_transition("reactivate", "Return a deactivated user to the status before.")


def _options(key: str | None, expected_version: int | None, actor: str | None) -> CommandOptions:
    options: CommandOptions = {}
    if key is not None:
        options["idempotency_key"] = key
    if expected_version is not None:
        options["expected_version"] = expected_version
    if actor is not None:
        options["actor"] = actor
    return options


def _show(user: User, as_json: bool) -> None:
    if as_json:
        typer.echo(user.model_dump_json(by_alias=True))
        return
    for name, value in user.model_dump(mode="json", by_alias=True, exclude_none=True).items():
        if value not in ({}, []):
            typer.echo(
                f"{name:<24}{_plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))}"
            )


def _plain(text: str) -> str:
    """Text as one line of a terminal: what others wrote must not move the cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)

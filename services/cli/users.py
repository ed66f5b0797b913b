"""`denizen users`."""

import json
import sys
from typing import Annotated, Any

import typer
from denizen.messages import Sort, Status, User

from services.cli import credentials, show
from services.cli.arguments import Actor, AsJson, Expected, Key, UserId, options, secret
from services.cli.environment import client

app = typer.Typer(no_args_is_help=True, add_completion=False)


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
    """Create, find, change, erase users.

    Needs a running Denizen: DENIZEN_NATS_URL, else the `denizen up` on DENIZEN_HOME.
    """


@app.command()
def create(
    *,
    email: Annotated[str, typer.Option()],
    verified: Annotated[bool, typer.Option("--verified", help="The address needs no verification.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input; asked for on a terminal.")
    ] = False,
    external_id: Annotated[str | None, typer.Option(help="The id that your system gave the user.")] = None,
    profile: Section = None,
    metadata: Section = None,
    app_metadata: Section = None,
    idempotency_key: Key = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Create a user."""
    password = secret("Password", twice=True) if password_stdin else None
    with client() as denizen:
        user = denizen.auth.users.create(
            email=email,
            password=password,
            email_verified=verified,
            external_id=external_id,
            profile=profile,
            metadata=metadata,
            app_metadata=app_metadata,
            **options(idempotency_key, None, actor),
        )
    show.user(user, as_json)


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
    show.user(user, as_json)


@app.command("list")
def list_users(
    *,
    count: Annotated[int, typer.Option(min=1, max=500)] = 50,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    cursor: Annotated[str | None, typer.Option(help="Of the page before, with the same options but --count.")] = None,
    status: Annotated[Status | None, typer.Option()] = None,
    search: Annotated[str | None, typer.Option(help="Words, each part of the e-mail address or a name.")] = None,
    sort: Annotated[Sort, typer.Option(help="-: descending.")] = "-createdAt",
    as_json: AsJson = False,
) -> None:
    """List users. The cursor of the next page goes to stderr."""
    with client() as denizen:
        page = denizen.auth.users.list(
            count=count, offset=offset, cursor=cursor, status=status, search=search, sort=sort
        )
    if as_json:
        typer.echo(page.model_dump_json(by_alias=True))
        return
    rows = [(user.id, user.email, user.status, show.time(user.created_at), _name(user)) for user in page]
    total = f"about {page.total}" if page.total_is_estimate else str(page.total)
    show.table(["id", "e-mail", "status", "created", "name"], rows, f"{len(page)} of {total} users")
    if page.next_cursor is not None:
        typer.echo(f"--cursor {page.next_cursor}", err=True)


def _name(user: User) -> str:
    profile = user.profile
    return profile.display_name or " ".join(filter(None, (profile.first_name, profile.last_name)))


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
            **options(idempotency_key, expected_version, actor),
        )
    show.user(user, as_json)


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
        user = denizen.auth.users.block(user_id, reason=reason, **options(idempotency_key, expected_version, actor))
    show.user(user, as_json)


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
            user = change(user_id, **options(idempotency_key, expected_version, actor))
        show.user(user, as_json)


_transition("unblock", "Return a blocked user to the status before.")
_transition("deactivate", "Deactivate a user, whatever the status.")
_transition("reactivate", "Return a deactivated user to the status before.")


@app.command()
def delete(
    user_id: UserId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on a terminal.")] = False,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Erase a user for good: what the log holds of him cannot be read any more."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Erase {user_id} for good?", abort=True, err=True)
    with client() as denizen:
        denizen.auth.users.delete(user_id, **options(idempotency_key, expected_version, actor))
    typer.echo(json.dumps({"userId": user_id}) if as_json else f"{user_id} is erased.")


@app.command("login-history")
def login_history(
    user_id: UserId,
    count: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: AsJson = False,
) -> None:
    """List a user's attempts to sign in, newest first."""
    with client() as denizen:
        page = denizen.auth.users.login_history(user_id, count=count)
    if as_json:
        typer.echo(page.model_dump_json(by_alias=True))
        return
    rows = [(show.time(login.time), login.outcome, login.ip or "", login.user_agent or "") for login in page]
    show.table(["time", "outcome", "ip", "user agent"], rows, f"{len(page)} attempts")


app.add_typer(credentials.app)

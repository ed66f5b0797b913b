"""`denizen users`."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from denizen.messages import Sort, Status, User
from denizen.transport import CommandOptions

from services.cli import credentials, history, show
from services.cli.arguments import (
    Actor,
    AsJson,
    Expected,
    IdempotencyKey,
    UserIdArgument,
    asking,
    has_terminal,
    options,
    secret,
    time,
)
from services.cli.changing import changing
from services.cli.environment import client

if TYPE_CHECKING:
    from denizen import Client

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
    email: Annotated[str, typer.Option(help="The e-mail address.")],
    verified: Annotated[bool, typer.Option("--verified", help="The address needs no verification.")] = False,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input, or ask for it on a terminal."),
    ] = False,
    external_id: Annotated[str | None, typer.Option(help="The id that your system gave the user.")] = None,
    profile: Section = None,
    metadata: Section = None,
    app_metadata: Section = None,
    idempotency_key: IdempotencyKey = None,
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
    user_id: Annotated[str | None, typer.Argument(help="The id of the user, user_…", show_default=False)] = None,
    email: Annotated[str | None, typer.Option(help="The e-mail address, in upper or lower case.")] = None,
    external_id: Annotated[str | None, typer.Option(help="The id that your system gave the user.")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(parser=time, metavar="TIME", help="Show the user with USER_ID as they were at this time (UTC)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a user, found by id, e-mail address or external id."""
    if sum(given is not None for given in (user_id, email, external_id)) != 1:
        raise typer.BadParameter("name the user by one of USER_ID, --email and --external-id")
    if as_of is not None and user_id is None:
        raise typer.BadParameter("goes with USER_ID alone", param_hint="--as-of")
    with client() as denizen:
        if user_id is not None:
            user = denizen.auth.users.get(user_id, as_of=as_of)
        elif email is not None:
            user = denizen.auth.users.get_by_email(email)
        else:
            user = denizen.auth.users.get_by_external_id(external_id or "")
    show.user(user, as_json)


@app.command("list")
def list_users(
    *,
    count: Annotated[int, typer.Option(min=1, max=500, help="Users on the page.")] = 50,
    offset: Annotated[int | None, typer.Option(min=0, help="Users to skip; not with --cursor.")] = None,
    cursor: Annotated[
        str | None,
        typer.Option(help="The cursor that the page before printed. All options but --count must be the same."),
    ] = None,
    status: Annotated[Status | None, typer.Option(help="Only users with this status.")] = None,
    search: Annotated[str | None, typer.Option(help="Words, each part of the e-mail address or a name.")] = None,
    sort: Annotated[Sort, typer.Option(help="The order. A name that begins with - means descending.")] = "-createdAt",
    as_json: AsJson = False,
) -> None:
    """List users. The cursor of the next page goes to stderr."""
    with client() as denizen:
        page = denizen.auth.users.list(
            count=count, offset=offset, cursor=cursor, status=status, search=search, sort=sort
        )
    if as_json:
        show.json(page)
        return
    rows = [(user.id, user.email, user.status, show.time(user.created_at), _name(user)) for user in page]
    total = f"about {page.total}" if page.total_is_estimate else str(page.total)
    show.table(
        ["id", "e-mail", "status", "created", "name"],
        rows,
        f"{len(page)} of {total} users",
        shorten={"e-mail": 14, "name": 8, "status": 8, "created": 11},  # `PENDING…`, and the day
    )
    if page.next_cursor is not None:
        show.say(f"--cursor {page.next_cursor}", err=True)


def _name(user: User) -> str:
    profile = user.profile
    return profile.display_name or " ".join(filter(None, (profile.first_name, profile.last_name)))


@changing(app)
def update(
    denizen: "Client",
    given: CommandOptions,
    user_id: UserIdArgument,
    *,
    profile: Section = None,
    metadata: Section = None,
    app_metadata: Section = None,
    external_id: Annotated[
        str | None, typer.Option(help="The id that your system gave the user. An empty text removes it.")
    ] = None,
) -> User:
    """Change a user. The objects merge at their top level; null removes a key."""
    changed: dict[str, Any] = {} if external_id is None else {"external_id": external_id or None}
    return denizen.auth.users.update(
        user_id, profile=profile, metadata=metadata, app_metadata=app_metadata, **changed, **given
    )


@changing(app)
def block(
    denizen: "Client",
    given: CommandOptions,
    user_id: UserIdArgument,
    *,
    reason: Annotated[str | None, typer.Option(help="The reason, which is kept encrypted for the history.")] = None,
    until: Annotated[
        str | None, typer.Option(help="When the block ends by itself (RFC 3339); by default only `unblock` ends it.")
    ] = None,
) -> User:
    """Block a user, whatever the status."""
    return denizen.auth.users.block(user_id, reason=reason, until=until, **given)


@changing(app)
def unblock(denizen: "Client", given: CommandOptions, user_id: UserIdArgument) -> User:
    """Return a blocked user to the status before."""
    return denizen.auth.users.unblock(user_id, **given)


@changing(app)
def deactivate(denizen: "Client", given: CommandOptions, user_id: UserIdArgument) -> User:
    """Deactivate a user, whatever the status."""
    return denizen.auth.users.deactivate(user_id, **given)


@changing(app)
def reactivate(denizen: "Client", given: CommandOptions, user_id: UserIdArgument) -> User:
    """Return a deactivated user to the status before."""
    return denizen.auth.users.reactivate(user_id, **given)


@app.command()
def delete(
    user_id: UserIdArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")] = False,
    idempotency_key: IdempotencyKey = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Erase a user for good: their personal data in the log cannot be read any more."""
    if not yes:
        if not has_terminal():
            raise typer.BadParameter("is needed where no terminal can be asked", param_hint="--yes")
        with asking():
            typer.confirm(f"Erase {user_id} for good?", abort=True, err=True)
    with client() as denizen:
        denizen.auth.users.delete(user_id, **options(idempotency_key, expected_version, actor))
    show.say(json.dumps({"userId": user_id}) if as_json else f"{user_id} is erased.")


app.add_typer(credentials.app)
app.add_typer(history.app)

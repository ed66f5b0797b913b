"""`denizen sessions`."""

from typing import Annotated

import typer

from services.cli import show
from services.cli.arguments import Actor, AsJson, Expected, Key, UserId, options
from services.cli.environment import client

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """See where a user is signed in, and end sessions. Needs a running Denizen, as `denizen users` does."""


@app.command("list")
def list_sessions(user_id: UserId, as_json: AsJson = False) -> None:
    """List a user's live sessions, newest first."""
    with client() as denizen:
        sessions = denizen.auth.sessions.list(user_id)
    if as_json:
        typer.echo(sessions.model_dump_json(by_alias=True))
        return
    rows = [
        (
            session.id,
            show.time(session.created_at),
            show.time(session.refreshed_at),
            show.time(session.expires_at),
            session.ip or "",
            session.user_agent or "",
        )
        for session in sessions
    ]
    show.table(["id", "created", "refreshed", "expires", "ip", "user agent"], rows, f"{len(rows)} sessions")


@app.command()
def revoke(
    user_id: UserId,
    session_id: Annotated[str, typer.Argument(help="sess_…", show_default=False)],
    *,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End a session: its tokens are refused everywhere at once. Harmless where it has ended."""
    with client() as denizen:
        user = denizen.auth.sessions.revoke(user_id, session_id, **options(idempotency_key, expected_version, actor))
    show.user(user, as_json)


@app.command("revoke-all")
def revoke_all(
    user_id: UserId,
    *,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End every session of a user."""
    with client() as denizen:
        user = denizen.auth.sessions.revoke_all(user_id, **options(idempotency_key, expected_version, actor))
    show.user(user, as_json)

"""`denizen sessions`."""

from typing import TYPE_CHECKING, Annotated

import typer
from denizen.messages import User
from denizen.transport import CommandOptions

from services.cli import show
from services.cli.arguments import AsJson, UserIdArgument
from services.cli.changing import changing
from services.cli.environment import client

if TYPE_CHECKING:
    from denizen import Client

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """See where a user is signed in, and end sessions. Needs a running Denizen, as `denizen users` does."""


@app.command("list")
def list_sessions(user_id: UserIdArgument, as_json: AsJson = False) -> None:
    """List a user's live sessions, newest first."""
    with client() as denizen:
        sessions = denizen.auth.sessions.list(user_id)
    if as_json:
        show.json(sessions)
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
    show.table(
        ["id", "created", "refreshed", "expires", "ip", "user agent"],
        rows,
        show.counted(len(rows), "session", "sessions"),
    )


@changing(app)
def revoke(
    denizen: "Client",
    given: CommandOptions,
    user_id: UserIdArgument,
    session_id: Annotated[str, typer.Argument(help="The id of the session, sess_…", show_default=False)],
) -> User:
    """End a session: its tokens are refused everywhere at once. Harmless where it has ended."""
    return denizen.auth.sessions.revoke(user_id, session_id, **given)


@changing(app)
def revoke_all(denizen: "Client", given: CommandOptions, user_id: UserIdArgument) -> User:
    """End every session of a user."""
    return denizen.auth.sessions.revoke_all(user_id, **given)

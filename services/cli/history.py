"""`denizen users history`, `login-history` and `identities`: a user's changes, sign-ins, and accounts elsewhere."""

import json
from typing import Annotated, Any

import typer

from services.cli import show
from services.cli.arguments import AsJson, UserIdArgument
from services.cli.environment import client

app = typer.Typer()

Count = Annotated[int, typer.Option(min=1, max=500, help="Entries on the page.")]
CursorOption = Annotated[str | None, typer.Option(help="The cursor that the page before printed.")]

_LONGEST = 60
"""Characters of a value that a table shows; --json has it all."""


@app.command()
def history(user_id: UserIdArgument, count: Count = 50, cursor: CursorOption = None, as_json: AsJson = False) -> None:
    """List who changed what of a user, and when, newest first. The cursor of the next page goes to stderr."""
    with client() as denizen:
        page = denizen.auth.users.history(user_id, count=count, cursor=cursor)
    if as_json:
        show.json(page)
        return
    rows = [
        (
            f"{event.time:%Y-%m-%dT%H:%M:%S.%fZ}",  # to the last digit: `users get --as-of` shows what it was then
            event.type,
            event.actor or "",
            ", ".join(f"{each.field}: {_value(each.old)} -> {_value(each.new)}" for each in event.changes),
            event.reason or "",
        )
        for event in page
    ]
    show.table(["time", "event", "actor", "changes", "reason"], rows, show.counted(len(page), "event", "events"))
    _lead_on(page.next_cursor)


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\N{HORIZONTAL ELLIPSIS}"


@app.command("login-history")
def login_history(
    user_id: UserIdArgument, count: Count = 50, cursor: CursorOption = None, as_json: AsJson = False
) -> None:
    """List a user's attempts to sign in, newest first. The cursor of the next page goes to stderr."""
    with client() as denizen:
        page = denizen.auth.users.login_history(user_id, count=count, cursor=cursor)
    if as_json:
        show.json(page)
        return
    rows = [(show.time(login.time), login.outcome, login.ip or "", login.user_agent or "") for login in page]
    note = show.counted(len(page), "attempt", "attempts")
    show.table(["time", "outcome", "ip", "user agent"], rows, note, shorten={"user agent": 12, "ip": 15})
    _lead_on(page.next_cursor)


@app.command()
def identities(user_id: UserIdArgument, as_json: AsJson = False) -> None:
    """List the accounts at other providers that are linked to a user."""
    with client() as denizen:
        linked = denizen.auth.users.list_identities(user_id)
    if as_json:
        show.json(linked)
        return
    rows = [(each.provider, each.provider_id, show.time(each.linked_at)) for each in linked]
    show.table(["provider", "id there", "linked"], rows, show.counted(len(linked), "identity", "identities"))


def _lead_on(cursor: str | None) -> None:
    if cursor is not None:
        show.say(f"--cursor {cursor}", err=True)

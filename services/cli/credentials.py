"""Those of `denizen users` that are about passwords and addresses."""

from typing import Annotated

import typer

from services.cli import show
from services.cli.arguments import Actor, AsJson, Expected, Key, UserId, options, secret
from services.cli.environment import client

app = typer.Typer()


@app.command("reset-password")
def reset_password(
    user_id: UserId,
    *,
    require_change: Annotated[
        bool, typer.Option("--require-change", help="Who signs in with it must change it first.")
    ] = False,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Set a user's password, asked for on a terminal, else read from standard input. Ends every session."""
    password = secret("Password", twice=True)
    with client() as denizen:
        user = denizen.auth.users.reset_password(
            user_id,
            password=password,
            require_change=require_change,
            **options(idempotency_key, expected_version, actor),
        )
    show.user(user, as_json)


@app.command("send-verification-email")
def send_verification_email(
    user_id: UserId,
    *,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Mail a code to the address that is to be verified: the new one where a change was asked for."""
    with client() as denizen:
        user = denizen.auth.users.send_verification_email(user_id, **options(idempotency_key, expected_version, actor))
    show.user(user, as_json)


@app.command("verify-email")
def verify_email(
    user_id: UserId,
    *,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Verify an address by the code that was mailed, asked for on a terminal, else read from standard input."""
    code = secret("Code", hidden=False)
    with client() as denizen:
        user = denizen.auth.users.verify_email(user_id, code=code, **options(idempotency_key, expected_version, actor))
    show.user(user, as_json)


@app.command("change-email")
def change_email(
    user_id: UserId,
    email: Annotated[str, typer.Argument(show_default=False)],
    *,
    idempotency_key: Key = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Mail a code to a user's new address. `verify-email` with it makes the address the user's."""
    with client() as denizen:
        user = denizen.auth.users.change_email(user_id, email, **options(idempotency_key, expected_version, actor))
    show.user(user, as_json)


@app.command("send-password-reset-email")
def send_password_reset_email(
    email: Annotated[str, typer.Argument(show_default=False)],
    *,
    idempotency_key: Key = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Mail a token by which the password can be set. Does not tell whether anybody has the address."""
    with client() as denizen:
        denizen.auth.users.send_password_reset_email(email, **options(idempotency_key, None, actor))
    typer.echo("{}" if as_json else "If a user has this address, a mail is on its way.")

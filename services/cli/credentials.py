"""Commands of `denizen users` on passwords and addresses."""

from typing import TYPE_CHECKING, Annotated

import typer
from denizen.messages import User
from denizen.transport import CommandOptions

from services.cli import show
from services.cli.arguments import Actor, AsJson, IdempotencyKey, UserIdArgument, options, secret
from services.cli.changing import changing
from services.cli.environment import client

if TYPE_CHECKING:
    from denizen import Client

EmailArgument = Annotated[str, typer.Argument(show_default=False)]

app = typer.Typer()


@changing(app)
def reset_password(
    denizen: "Client",
    given: CommandOptions,
    user_id: UserIdArgument,
    *,
    require_change: Annotated[
        bool, typer.Option("--require-change", help="The user must change the password at the next sign-in.")
    ] = False,
) -> User:
    """Set a user's password, asked for on a terminal, else read from standard input. Ends every session."""
    password = secret("Password", twice=True)
    return denizen.auth.users.reset_password(user_id, password=password, require_change=require_change, **given)


@changing(app)
def send_verification_email(denizen: "Client", given: CommandOptions, user_id: UserIdArgument) -> User:
    """Mail a code to the address that is to be verified: the new one where a change was asked for."""
    user = denizen.auth.users.send_verification_email(user_id, **given)
    assert user, "a back end is shown the user"
    return user


@changing(app)
def verify_email(denizen: "Client", given: CommandOptions, user_id: UserIdArgument) -> User:
    """Verify an address by the code that was mailed, asked for on a terminal, else read from standard input."""
    return denizen.auth.users.verify_email(user_id, code=secret("Code", hidden=False), **given)


@changing(app)
def change_email(denizen: "Client", given: CommandOptions, user_id: UserIdArgument, email: EmailArgument) -> User:
    """Mail a code to a user's new address. `verify-email` with it makes the address the user's."""
    return denizen.auth.users.change_email(user_id, email, **given)


@app.command("send-password-reset-email")
def send_password_reset_email(
    email: EmailArgument,
    *,
    idempotency_key: IdempotencyKey = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Mail a token by which the password can be set. Does not reveal whether a user has the address."""
    with client() as denizen:
        denizen.auth.users.send_password_reset_email(email, **options(idempotency_key, None, actor))
    show.say("{}" if as_json else "If a user has this address, a mail is on its way.")

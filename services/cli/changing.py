"""Commands that change a user: the options that all of them have, and what they show."""

from collections.abc import Callable
from inspect import Signature, signature
from typing import Any

import typer
from denizen.messages import User
from denizen.transport import CommandOptions

from services.cli import show
from services.cli.arguments import Actor, AsJson, Expected, IdempotencyKey, options
from services.cli.environment import client

Ask = Callable[..., User]
"""`ask(denizen, given, …)`: asks for a change with the options that were given, and returns the user after it."""


def changing(app: typer.Typer) -> Callable[[Ask], Ask]:
    """Makes a command of `ask`, with its name, its arguments behind the first two, and the options of all changes."""

    def made(ask: Ask) -> Ask:
        _, _, *own = signature(ask).parameters.values()

        def run(**arguments: Any) -> None:
            shared = {name: arguments.pop(name) for name in signature(_options).parameters}
            given, as_json = _options(**shared)
            with client() as denizen:
                user = ask(denizen, given, **arguments)
            show.user(user, as_json)

        parameters = [*own, *signature(_options).parameters.values()]
        run.__name__, run.__doc__ = ask.__name__, ask.__doc__
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        vars(run)["__signature__"] = Signature(parameters)  # Typer reads it.
        app.command()(run)
        return ask

    return made


def _options(
    *,
    idempotency_key: IdempotencyKey = None,
    expected_version: Expected = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> tuple[CommandOptions, bool]:
    return options(idempotency_key, expected_version, actor), as_json

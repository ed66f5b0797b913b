"""The handlers of requests: one row for each request, in modules by noun.

A row and the request's operation in `denizen.operations` are all that accounts knows of a command.

Imports `accounts.fingerprint`, `accounts.guessing`, `accounts.pending`, `accounts.repeats` and `accounts.tools`, which
prepare commands or describe their answers, `domain`, `endpoint`, `eventstore.credentials`, `passwords` and `tokens`.
"""

from collections.abc import Mapping

from services.accounts.handlers import (
    email_addresses,
    identities,
    lifecycle,
    own_account,
    passwords,
    profile,
    sessions,
    sign_in,
)
from services.accounts.handlers.handler import HandlerRow
from services.accounts.pending import PendingCommand
from services.domain.commands import Command

ROWS = (
    *lifecycle.ROWS,
    *profile.ROWS,
    *email_addresses.ROWS,
    *passwords.ROWS,
    *identities.ROWS,
    *sign_in.ROWS,
    *sessions.ROWS,
    *own_account.ROWS,
)
HANDLERS: Mapping[type[Command], HandlerRow] = {kind: row for row in ROWS for kind in (row.request, *row.makes)}
"""By the class of a request, and of the commands that are made of it."""


def handler_of(pending: PendingCommand) -> HandlerRow:
    """The row by which a command is decided and answered."""
    return HANDLERS.get(type(pending.command)) or HANDLERS[type(pending.call.request)]

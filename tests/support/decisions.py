"""Decisions as the handlers' rows make them."""

from services.accounts.handlers import HANDLERS
from services.domain.commands import Command, ImportUser
from services.domain.decide import lifecycle
from services.domain.decide.logins import Verdict
from services.domain.decision import NOTHING, Decision, Facts
from services.domain.user import UserAggregate


def decide(user: UserAggregate | None, command: Command, facts: Facts = NOTHING) -> Decision:
    """What a command leads to. `user` is None where there is none of that id."""
    if isinstance(command, ImportUser):
        return lifecycle.import_user(command)
    handler = HANDLERS[type(command)]
    if user is None and handler.missing is not None:
        return handler.missing()
    assert handler.decide is not None
    decision = handler.decide(user, command, facts)
    assert not isinstance(decision, Verdict), "decide_session makes these"
    return decision


def is_about_sessions(command: Command) -> bool:
    """Whether its events are in the stream of the user's logins."""
    return HANDLERS[type(command)].stream == "logins"

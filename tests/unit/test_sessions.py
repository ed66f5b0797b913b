"""What ends sessions is the same where they are deleted, where verifiers are told, and where the relay publishes it."""

from datetime import timedelta
from typing import get_args

import pytest
from denizen import messages as m
from typeid import TypeID

from services.domain import events
from services.domain.commands import Command, LogIn, RecoverPassword, RequestPasswordReset, TellOwner
from services.domain.decide.logins import decide_session
from services.domain.decision import Facts
from services.domain.effects import effects_of
from services.domain.events import AnyEvent, UserCreated
from services.domain.fold import evolve
from services.domain.refusals import Refusal
from services.domain.sessions import (
    ENDING_COMMANDS,
    ENDING_EVENTS,
    Ended,
    NewSession,
    ended_by,
    ended_by_command,
    ended_by_stored,
    place,
)
from tests.support.decisions import decide, is_about_sessions
from tests.support.golden import GOLDEN, read
from tests.support.log import AT, user_id

ID, SESSION = user_id(), str(TypeID("sess"))
USER = evolve(None, UserCreated("a@example.com", "a@example.com", True, None, {}, {}, {}), ID, AT)
FACTS = Facts(proven_at=1, session=NewSession(SESSION, b"", {}, None, AT, AT + timedelta(days=1)))
SAMPLES = {name: read(golden) for name, golden in GOLDEN.items() if name != "SessionsRevoked.1"}
"""Every event; SessionsRevoked in the form that ends all sessions."""
COMMANDS: list[Command] = [
    m.UpdateUser(user_id=ID, metadata={"a": 1}),
    m.BlockUser(user_id=ID),
    m.DeactivateUser(user_id=ID),
    m.DeleteUser(user_id=ID),
    m.ChangeEmail(user_id=ID, email="b@example.com"),
    m.ChangePassword.model_construct(user_id=ID),
    m.ResetPassword.model_construct(user_id=ID, require_change=False),
    m.LinkIdentity(user_id=ID, provider="google", provider_id="1"),
    m.RevokeSession(user_id=ID, session_id=SESSION),
    m.RevokeSessions(user_id=ID),
    LogIn(ID, None, None),
    RecoverPassword(ID),
    RequestPasswordReset(ID),
    TellOwner(ID),
]


def decided(command: Command) -> list[AnyEvent]:
    if is_about_sessions(command):
        return list(decide_session(USER, command, FACTS)[0])
    decision = decide(USER, command, FACTS)
    assert not isinstance(decision, Refusal)
    return list(decision)


def test_samples_cover_every_event() -> None:
    assert {type(event) for event in SAMPLES.values()} == set(get_args(AnyEvent))
    assert ENDING_COMMANDS.keys() <= {type(command) for command in COMMANDS}


@pytest.mark.parametrize("event", SAMPLES.values(), ids=SAMPLES)
def test_event_ends_sessions_everywhere_or_nowhere(event: AnyEvent) -> None:
    ends = isinstance(event, ENDING_EVENTS)
    effects = effects_of(m.UpdateUser(user_id=ID), [event], USER, USER, facts=FACTS, at=AT)
    assert (effects is not None and (effects.end_sessions == "all" or effects.erase)) == ends
    assert ended_by([event]) == ("all" if ends else None)
    assert ended_by_stored(type(event).__name__, ID, 7, None) == (Ended(ID, None, 7) if ends else None)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_command_ends_sessions_where_its_event_does(command: Command) -> None:
    recorded = decided(command)
    ended = ended_by_command(command, ID, 2, 3, added=True)
    assert (ended_by(recorded) is not None) == (ended is not None) == (type(command) in ENDING_COMMANDS)
    if ended is not None:
        assert ENDING_COMMANDS[type(command)] in {type(event) for event in recorded}


def test_named_session_ends_alone() -> None:
    assert ended_by([events.SessionsRevoked(SESSION)]) == SESSION
    assert ended_by_stored("SessionsRevoked", ID, 7, SESSION) == Ended(ID, SESSION)
    command = m.RevokeSession(user_id=ID, session_id=SESSION)
    assert ended_by_command(command, ID, 2, 3, added=True) == Ended(ID, SESSION)
    assert ended_by_command(command, ID, 2, 3, added=False) is None, "a session that was invented"


def test_place_of_the_end_is_behind_every_session_before_it() -> None:
    assert ended_by_command(m.RevokeSessions(user_id=ID), ID, 2, 3, added=True) == Ended(ID, None, place(2, 3))
    assert ended_by_command(m.RevokeSessions(user_id=ID), ID, 2, 3, added=False) == Ended(ID, None, place(2))
    assert ended_by_command(m.BlockUser(user_id=ID), ID, 3, 9, added=True) == Ended(ID, None, place(3))
    assert place(2, 8) < place(2, 9) < place(3)

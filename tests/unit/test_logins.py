"""Which users get in, what the others are told, and whose sessions end."""

from typing import Any

import pytest
from denizen import messages as m

from services.domain import refusals
from services.domain.commands import Command, LogIn
from services.domain.decide.logins import decide_session
from services.domain.decision import Facts
from services.domain.events import LoginFailed, LoginSucceeded, SessionsRevoked, decode, encode
from services.domain.fold import evolve
from services.domain.refusals import Refusal
from services.domain.sessions import NewSession
from services.domain.streams import StoredEvent
from services.domain.user import UserAggregate
from services.platform.ids import new_event_id
from tests.support.decisions import decide, is_about_sessions
from tests.support.log import AT, user_id
from tests.support.tokens import session_id

ID = user_id()
SESSION = session_id()
SECRET: Any = "secret"
LOG_IN = LogIn(ID, "192.0.2.7", "Firefox")
CREATE = m.CreateUser(email="sam@example.com", email_verified=True)
BLOCK, UNBLOCK = m.BlockUser(user_id=ID), m.UnblockUser(user_id=ID)
DEACTIVATE = m.DeactivateUser(user_id=ID)
RESET = m.ResetPassword(user_id=ID, password=SECRET)
REQUIRE = m.ResetPassword(user_id=ID, password=SECRET, require_change=True)
REVOKE = m.RevokeSession(user_id=ID, session_id=SESSION)
REVOKE_ALL = m.RevokeSessions(user_id=ID)


def after(user: UserAggregate | None, *commands: Command) -> UserAggregate:
    for command in commands:
        decision = decide(user, command)
        assert not isinstance(decision, Refusal), decision.code
        for event in decision:
            user = evolve(user, event, ID, AT)
    assert user
    return user


def right(user: UserAggregate) -> Facts:
    """The user's password, found just before."""
    return Facts(proven_at=user.version, session=NewSession(SESSION, b"salt", {}, None, AT, AT))


ACTIVE = after(None, CREATE)
PENDING = after(None, CREATE.model_copy(update={"email_verified": False}))
BY_STATUS: dict[str, tuple[UserAggregate, str]] = {
    "active": (ACTIVE, ""),
    "pending": (PENDING, "email_not_verified"),
    "blocked": (after(ACTIVE, BLOCK), "user_blocked"),
    "deactivated": (after(ACTIVE, DEACTIVATE), "user_deactivated"),
    "pending and blocked": (after(PENDING, BLOCK), "user_blocked"),
    "blocked, then deactivated": (after(ACTIVE, BLOCK, DEACTIVATE), "user_deactivated"),
    "deactivated, then blocked": (after(ACTIVE, DEACTIVATE, BLOCK), "user_blocked"),
    "blocked and back": (after(ACTIVE, BLOCK, UNBLOCK), ""),
    "must change the password": (after(ACTIVE, REQUIRE), "password_change_required"),
    "must change it, and blocked": (after(ACTIVE, REQUIRE, BLOCK), "user_blocked"),
    "must change it, and pending": (after(PENDING, REQUIRE), "email_not_verified"),
}


@pytest.mark.parametrize(("user", "refusal"), BY_STATUS.values(), ids=BY_STATUS.keys())
def test_only_active_users_log_in(user: UserAggregate, refusal: str) -> None:
    events, refused = decide_session(user, LOG_IN, right(user))
    if not refusal:
        assert (events, refused) == ([LoginSucceeded(SESSION, "192.0.2.7", "Firefox")], None)
        return
    assert refused
    assert refused.code == refusal
    assert events == [LoginFailed(refusal, "192.0.2.7", "Firefox")], "an attempt, and no login"


@pytest.mark.parametrize(("user", "_"), BY_STATUS.values(), ids=BY_STATUS.keys())
def test_wrong_password_reveals_no_status(user: UserAggregate, _: str) -> None:
    stale = Facts(proven_at=user.version - 1) if user.password_version == user.version else Facts()
    for facts in (Facts(), stale):
        events, refused = decide_session(user, LOG_IN, facts)
        assert refused
        assert refused.body() == refusals.password_wrong().body()
        assert events == [LoginFailed("invalid_credentials", "192.0.2.7", "Firefox")]


def test_refusal_with_a_remedy_names_the_user() -> None:
    """The front end needs the id to have a code sent, or the password changed."""
    for name, told in (("pending", True), ("must change the password", True), ("blocked", False)):
        user, _ = BY_STATUS[name]
        _, refused = decide_session(user, LOG_IN, right(user))
        assert refused
        assert list(refused.details) == ([{"userId": ID}] if told else [])


@pytest.mark.parametrize("change", [RESET, REQUIRE])
def test_outdated_password_check_is_refused(change: m.ResetPassword) -> None:
    facts = right(ACTIVE)
    _, refused = decide_session(after(ACTIVE, change), LOG_IN, facts)
    assert refused
    assert refused.code == "invalid_credentials"
    # What is no change of the password leaves it right.
    events, refused = decide_session(after(ACTIVE, BLOCK, UNBLOCK), LOG_IN, facts)
    assert (len(events), refused) == (1, None)


def test_revoke_ends_one_session_or_all() -> None:
    for user, _ in BY_STATUS.values():
        assert decide_session(user, REVOKE, Facts(alive=True)) == ([SessionsRevoked(SESSION)], None)
        assert decide_session(user, REVOKE_ALL, Facts(alive=True)) == ([SessionsRevoked(None)], None)
        for command in (REVOKE, REVOKE_ALL):
            assert decide_session(user, command, Facts(alive=False)) == ([], None), "harmless where it has ended"


def test_login_of_an_unknown_user_is_refused() -> None:
    for command in (REVOKE, REVOKE_ALL):
        events, refused = decide_session(None, command, Facts())
        assert refused
        assert (events, refused.code) == ([], "user_not_found")
    # Deleted since the password was compared: the answer is that for an unknown user.
    events, refused = decide_session(None, LOG_IN, right(ACTIVE))
    assert refused
    assert (events, refused.body()) == ([], refusals.password_wrong().body())


def test_login_commands_are_decided_here() -> None:
    for command in (LOG_IN, REVOKE, REVOKE_ALL):
        assert is_about_sessions(command)
    for command in (BLOCK, RESET, m.DeleteUser(user_id=ID)):
        assert not is_about_sessions(command)


@pytest.mark.parametrize(
    ("event", "named", "private"),
    [
        (
            LoginSucceeded(SESSION, "1.2.3.4", "Firefox"),
            {"sessionId": SESSION},
            {"ip": "1.2.3.4", "userAgent": "Firefox"},
        ),
        (LoginSucceeded(SESSION, None, None), {"sessionId": SESSION}, None),
        (LoginFailed("user_blocked", "192.0.2.7", None), {"reason": "user_blocked"}, {"ip": "192.0.2.7"}),
        (SessionsRevoked(SESSION), {"sessionId": SESSION}, None),
        (SessionsRevoked(None), {}, None),
    ],
)
def test_ip_and_user_agent_are_private(
    event: LoginSucceeded | LoginFailed | SessionsRevoked, named: dict[str, str], private: dict[str, str] | None
) -> None:
    new = encode(event, ID, 3, "ACTIVE", new_event_id())
    assert new.public == {"userId": ID, "version": 3, "status": "ACTIVE", "changed": [], **named}
    assert new.private == private
    row = (new.type, new.schema_version, new.public, new.private)
    assert decode(StoredEvent(1, new.event_id, f"{ID}/logins", 1, *row, {}, AT)) == event

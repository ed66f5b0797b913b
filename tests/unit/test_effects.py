"""What is stored with events: which secrets are set and spent, which sessions end, and which mails go out."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from denizen import messages as m

from services.domain.commands import Command, LogIn, RecoverPassword, RequestPasswordReset, TellOwner
from services.domain.decide.logins import decide_session
from services.domain.decision import Facts
from services.domain.effects import Effects, Mail, MailedCode, effects_of
from services.domain.events import AnyEvent, LoginEvent
from services.domain.fold import evolve
from services.domain.refusals import Refusal
from services.domain.sessions import NewSession
from services.domain.user import UserAggregate
from tests.support.decisions import decide, is_about_sessions
from tests.support.log import AT, user_id
from tests.support.tokens import session_id

ID = user_id()
SESSION = session_id()
SECRET: Any = "secret"
FACTS = Facts(
    password_hash="$argon2id$new",
    drawn="123456",
    digest=b"digest",
    long_code="abcdef",
    long_digest=b"long digest",
    session=NewSession(SESSION, b"salt", {"ip": "192.0.2.7"}, None, AT, AT + timedelta(days=30)),
)
CREATE = m.CreateUser(email="sam@example.com", email_verified=True, profile=m.ProfileInput(locale="de"))
CHANGE = m.ChangePassword(user_id=ID, current_password=SECRET, new_password=SECRET)
RESET = m.ResetPassword(user_id=ID, password=SECRET)
WANT = m.ChangeEmail(user_id=ID, email="new@example.com")
VERIFY = m.VerifyEmail(user_id=ID, code=SECRET)
SEND = m.SendVerificationEmail(user_id=ID)
ASK, RECOVER, TELL = RequestPasswordReset(ID), RecoverPassword(ID), TellOwner(ID)
BLOCK, UNBLOCK = m.BlockUser(user_id=ID), m.UnblockUser(user_id=ID)
DEACTIVATE, REACTIVATE = m.DeactivateUser(user_id=ID), m.ReactivateUser(user_id=ID)
LOG_IN = LogIn(ID, "192.0.2.7", None)
DELETE = m.DeleteUser(user_id=ID)


def run(before: UserAggregate | None, command: Command, **facts: Any) -> tuple[Effects | None, UserAggregate | None]:
    """The effects_of of a command that is proven, and the user after it."""
    known = replace(FACTS, proven_at=before.version if before else None, **facts)
    events: list[AnyEvent] = []
    if is_about_sessions(command):
        events += decide_session(before, command, known)[0]
    else:
        decision = decide(before, command, known)
        assert not isinstance(decision, Refusal), decision.code
        events += decision
    after = before
    for event in events:
        if not isinstance(event, LoginEvent):
            after = evolve(after, event, ID, AT)
    return effects_of(command, events, before, after, facts=known, at=AT), after


def user_after(*commands: Command) -> UserAggregate:
    user = None
    for command in (CREATE, *commands):
        _, user = run(user, command)
    assert user
    return user


ACTIVE = user_after()
PENDING = replace(ACTIVE, email_verified=False)


def changed(before: UserAggregate | None, command: Command, **facts: Any) -> Effects:
    result, _ = run(before, command, **facts)
    assert result
    return result


def mails(result: Effects) -> list[tuple[str, str]]:
    return [(mail.kind, mail.to) for mail in result.mails]


# --- sessions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "command"),
    [
        (ACTIVE, BLOCK),
        (ACTIVE, DEACTIVATE),
        (ACTIVE, CHANGE),
        (ACTIVE, RESET),
        (user_after(ASK), RECOVER),
        (user_after(DEACTIVATE), BLOCK),
        (ACTIVE, m.RevokeSessions(user_id=ID)),
    ],
)
def test_block_and_password_changes_end_every_session(before: UserAggregate, command: Command) -> None:
    assert changed(before, command).end_sessions == "all"


def test_deletion_erases_everything_and_mails_nothing() -> None:
    """A mail would be sealed under a data key that is gone."""
    assert changed(ACTIVE, DELETE) == Effects(erase=True)


@pytest.mark.parametrize(
    ("before", "command"),
    [
        (user_after(BLOCK), UNBLOCK),
        (user_after(DEACTIVATE), REACTIVATE),
        (user_after(WANT), VERIFY),
        (ACTIVE, ASK),
        (ACTIVE, WANT),
        (PENDING, SEND),
        (ACTIVE, m.UpdateUser(user_id=ID, metadata={"a": 1})),
        (ACTIVE, LOG_IN),
        (ACTIVE, TELL),
    ],
)
def test_other_events_end_no_session(before: UserAggregate, command: Command) -> None:
    result, _ = run(before, command)
    assert result is None or result.end_sessions is None
    assert (result.session if result else None) == (FACTS.session if command == LOG_IN else None)


def test_revocation_of_one_session_names_it() -> None:
    assert changed(ACTIVE, m.RevokeSession(user_id=ID, session_id=SESSION)) == Effects(end_sessions=SESSION)


def test_block_of_a_blocked_user_ends_no_session() -> None:
    assert run(user_after(BLOCK), BLOCK)[0] is None


# --- passwords ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "command"),
    [
        (None, CREATE),
        (None, m.Register(email="sam@example.com", password=SECRET)),
        (ACTIVE, CHANGE),
        (ACTIVE, RESET),
        (user_after(ASK), RECOVER),
        (ACTIVE, LOG_IN),
    ],
)
def test_hash_is_stored_with_its_event(before: UserAggregate | None, command: Command) -> None:
    assert changed(before, command).password == FACTS.password_hash
    result, _ = run(before, command, password_hash=None)
    assert result is None or result.password is None


def test_failed_login_changes_nothing() -> None:
    """Not even the hash that was made for it."""
    for user in (PENDING, user_after(BLOCK), user_after(DEACTIVATE)):
        assert run(user, LOG_IN)[0] is None


# --- codes and tokens ---------------------------------------------------------------------------------------------


def test_mailed_code_is_stored_as_a_digest() -> None:
    for before, command in ((PENDING, SEND), (ACTIVE, WANT)):
        assert changed(before, command).code == MailedCode(
            "verify", b"digest", AT + timedelta(minutes=10), b"long digest"
        )
    assert changed(ACTIVE, ASK).code == MailedCode("reset", b"digest", AT + timedelta(minutes=30))
    assert changed(None, m.Register(email="sam@example.com", password=SECRET)).code == MailedCode(
        "verify", b"digest", AT + timedelta(minutes=10), b"long digest"
    )


@pytest.mark.parametrize(
    ("before", "command", "spent"),
    [
        (replace(PENDING, version=2), VERIFY, ("verify",)),
        (user_after(WANT), VERIFY, ("reset", "verify")),
        (ACTIVE, CHANGE, ("reset",)),
        (ACTIVE, RESET, ("reset",)),
        (user_after(ASK), RECOVER, ("reset",)),
        (PENDING, RECOVER, ("reset", "verify")),
        (ACTIVE, ASK, ()),
        (PENDING, SEND, ()),
        (ACTIVE, BLOCK, ()),
        (replace(PENDING, version=2), BLOCK, ()),
        (user_after(WANT), CHANGE, ("reset", "verify")),
        (user_after(WANT), RESET, ("reset", "verify")),
        (user_after(WANT, ASK), RECOVER, ("reset", "verify")),
        (user_after(WANT), BLOCK, ("verify",)),
        (user_after(WANT), DEACTIVATE, ("verify",)),
        (user_after(WANT, BLOCK), DEACTIVATE, ()),
        (ACTIVE, LOG_IN, ()),
    ],
)
def test_used_code_or_token_is_spent(before: UserAggregate, command: Command, spent: tuple[str, ...]) -> None:
    assert changed(before, command).spent == spent


# --- mails --------------------------------------------------------------------------------------------------------


def test_code_is_mailed_to_the_address_to_verify() -> None:
    (mail,) = changed(PENDING, SEND).mails
    values = {"code": "123456", "long_code": "abcdef", "user_id": ID, "minutes": "10"}
    assert mail == Mail("verify_email", "sam@example.com", "de", values, AT + timedelta(minutes=10))
    assert mails(changed(ACTIVE, WANT)) == [("verify_email", "new@example.com")]
    assert mails(changed(user_after(WANT), SEND)) == [("verify_email", "new@example.com")]


def test_reset_token_is_mailed_to_the_present_address() -> None:
    (mail,) = changed(user_after(WANT), ASK).mails
    values = {"token": "123456", "minutes": "30"}
    assert mail == Mail("reset_password", "sam@example.com", "de", values, AT + timedelta(minutes=30))


def test_owner_gets_a_note() -> None:
    assert mails(changed(user_after(WANT), VERIFY)) == [("email_changed", "sam@example.com")], "the old address"
    for command in (CHANGE, RESET):
        assert mails(changed(ACTIVE, command)) == [("password_changed", "sam@example.com")]
    assert mails(changed(user_after(ASK), RECOVER)) == [("password_changed", "sam@example.com")]
    assert mails(changed(ACTIVE, TELL)) == [("already_registered", "sam@example.com")]
    assert changed(ACTIVE, TELL) == Effects(mails=changed(ACTIVE, TELL).mails), "nothing else happens to the owner"


def test_code_for_a_taken_address_is_not_mailed() -> None:
    for before, command in ((ACTIVE, WANT), (user_after(WANT), SEND)):
        result = changed(before, command, taken=True)
        assert result.mails == ()
        assert result == replace(changed(before, command), mails=()), "and the rest is the same"


def test_notes_hold_no_secret() -> None:
    for before, command in ((user_after(WANT), VERIFY), (ACTIVE, CHANGE), (ACTIVE, RESET), (ACTIVE, TELL)):
        for mail in changed(before, command).mails:
            assert mail.values == {}


def test_commands_without_a_mail_send_none() -> None:
    for before, command in ((ACTIVE, BLOCK), (ACTIVE, LOG_IN), (replace(PENDING, version=2), VERIFY)):
        assert changed(before, command).mails == ()
    assert run(ACTIVE, m.UpdateUser(user_id=ID, metadata={"a": 1}))[0] is None


def test_cancelled_change_of_address_spends_its_code() -> None:
    for user in (ACTIVE, PENDING):
        wanting = user_after(WANT) if user is ACTIVE else replace(user_after(WANT), email_verified=False)
        result = changed(wanting, m.ChangeEmail(user_id=ID, email="sam@example.com"))
        assert result == Effects(spent=("verify",))

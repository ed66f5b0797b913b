"""Passwords and addresses: what proves what, until when, and what holds whatever is asked."""

from typing import Any

import pytest
from denizen import messages as m
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.domain.claim_kinds import Claim
from services.domain.commands import Command, RecoverPassword, RequestPasswordReset, TellOwner
from services.domain.decision import Facts
from services.domain.events import (
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    PasswordChanged,
    UserCreated,
    UserEvent,
)
from services.domain.fold import evolve
from services.domain.refusals import Refusal
from services.domain.user import UserAggregate
from tests.support.decisions import decide
from tests.support.log import AT, user_id

ID = user_id()
SECRET: Any = "secret"
CHANGE = m.ChangePassword(user_id=ID, current_password=SECRET, new_password=SECRET)
RESET = m.ResetPassword(user_id=ID, password=SECRET)
REQUIRE = m.ResetPassword(user_id=ID, password=SECRET, require_change=True)
VERIFY = m.VerifyEmail(user_id=ID, code=SECRET)
SEND = m.SendVerificationEmail(user_id=ID)
ASK, RECOVER = RequestPasswordReset(ID), RecoverPassword(ID)
BLOCK, UNBLOCK = m.BlockUser(user_id=ID), m.UnblockUser(user_id=ID)
DEACTIVATE = m.DeactivateUser(user_id=ID)


def wants(email: str) -> m.ChangeEmail:
    return m.ChangeEmail(user_id=ID, email=email)


def proof(version: int | None) -> Facts:
    return Facts(proven_at=version, password_hash="hash", drawn="1", digest=b"1")


def events_of(user: UserAggregate | None, command: Command, proven_at: int | None = None) -> list[UserEvent]:
    decision = decide(user, command, proof(proven_at))
    assert not isinstance(decision, Refusal), decision.code
    return list(decision)


def after(user: UserAggregate | None, *commands: Command) -> UserAggregate:
    """The user after commands, each with a proof that was found just before it."""
    for command in commands:
        for event in events_of(user, command, user.version if user else None):
            user = evolve(user, event, ID, AT)
    assert user
    return user


def code(user: UserAggregate | None, command: Command, proven_at: int | None = None) -> str:
    decision = decide(user, command, proof(proven_at))
    return decision.code if isinstance(decision, Refusal) else ""


PENDING = after(None, m.CreateUser(email="sam@example.com"))
ACTIVE = after(None, m.CreateUser(email="sam@example.com", email_verified=True))
EVERY = {
    "pending": PENDING,
    "active": ACTIVE,
    "blocked": after(ACTIVE, BLOCK),
    "deactivated": after(ACTIVE, DEACTIVATE),
    "pending and blocked": after(PENDING, BLOCK),
    "deactivated and blocked": after(ACTIVE, DEACTIVATE, BLOCK),
}

# --- a proof is as old as the version at which it was found -------------------------------------------------------

PROVEN: dict[str, tuple[Command, Command, str]] = {
    "password": (CHANGE, RESET, "invalid_credentials"),
    "code": (VERIFY, SEND, "code_invalid"),
    "token": (RECOVER, ASK, "token_invalid"),
}
"""By what proves: the command that needs the proof, the one that replaces it, and how the command is refused."""


@pytest.mark.parametrize(("command", "renewal", "refusal"), PROVEN.values(), ids=PROVEN.keys())
def test_outdated_proof_is_refused(command: Command, renewal: Command, refusal: str) -> None:
    user = after(PENDING, renewal)
    assert user.version == 2
    assert code(user, command, None) == refusal
    assert code(user, command, 1) == refusal, "it proves what was replaced since"
    assert code(user, command, 2) == ""
    # What has nothing to do with it does not age it.
    later = after(user, m.UpdateUser(user_id=ID, metadata={"a": 1}), BLOCK, UNBLOCK)
    assert later.version == 5
    assert code(later, command, 2) == ""
    assert code(after(later, renewal), command, 5) == refusal


@pytest.mark.parametrize(("command", "renewal", "refusal"), PROVEN.values(), ids=PROVEN.keys())
def test_one_proof_twice_in_a_batch_counts_once(command: Command, renewal: Command, refusal: str) -> None:
    user = after(PENDING, renewal)
    for event in events_of(user, command, 2):
        user = evolve(user, event, ID, AT) or user
    assert code(user, command, 2) == refusal


@pytest.mark.parametrize(("command", "renewal", "refusal"), PROVEN.values(), ids=PROVEN.keys())
def test_wrong_proof_is_refused_in_every_status(command: Command, renewal: Command, refusal: str) -> None:
    for user in EVERY.values():
        assert code(after(user, *([] if command == VERIFY else [renewal])), command, None) == refusal


def test_password_change_spends_the_mailed_token() -> None:
    user = after(ACTIVE, ASK)
    for change in (CHANGE, RESET, RECOVER):
        assert code(after(user, change), RECOVER, user.version) == "token_invalid"


def test_address_change_spends_codes_of_the_old_address() -> None:
    user = after(ACTIVE, ASK, wants("new@example.com"), VERIFY)
    assert code(user, RECOVER, user.version - 1) == "token_invalid"
    assert code(user, VERIFY, user.version - 1) == "code_invalid"


def test_code_of_one_address_does_not_verify_another() -> None:
    user = after(ACTIVE, wants("a@example.com"))
    again = after(user, wants("b@example.com"))
    assert code(again, VERIFY, user.version) == "code_invalid"
    assert after(again, VERIFY).email == "b@example.com"


# --- passwords ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "reason"), [(CHANGE, "changed"), (RESET, "reset"), (RECOVER, "recovered")])
def test_password_changed_event_names_the_reason(command: Command, reason: str) -> None:
    user = after(ACTIVE, ASK)
    (event,) = events_of(user, command, user.version)
    assert isinstance(event, PasswordChanged)
    assert (event.changed(), event.private(), event.published()) == (["password"], {}, {"reason": reason})


def test_required_password_change_stays_until_made() -> None:
    user = after(ACTIVE, REQUIRE)
    assert user.password_change_required is True is user.body()["passwordChangeRequired"]
    assert after(user, m.UpdateUser(user_id=ID, metadata={"a": 1}), BLOCK, UNBLOCK, ASK).password_change_required
    for command in (CHANGE, RESET, RECOVER):
        assert not after(user, command).password_change_required
    assert after(user, CHANGE, REQUIRE).password_change_required


@pytest.mark.parametrize("user", EVERY.values(), ids=EVERY.keys())
def test_new_password_never_unblocks(user: UserAggregate) -> None:
    for command in (CHANGE, RESET, REQUIRE):
        assert after(user, command).status == user.status
    recovered = after(user, ASK, RECOVER)
    assert recovered.holds == user.holds
    assert recovered.status == (user.status if user.holds else "ACTIVE")


def test_password_reset_by_mail_verifies_the_address() -> None:
    asked = after(PENDING, ASK)
    assert [type(event) for event in events_of(asked, RECOVER, asked.version)] == [PasswordChanged, EmailVerified]
    assert after(asked, RECOVER).status == "ACTIVE"
    assert [type(event) for event in events_of(ACTIVE, RECOVER, 1)] == [PasswordChanged]
    # But not the requested new one: the token went to the old one.
    wanting = after(PENDING, wants("new@example.com"), ASK, RECOVER)
    assert (wanting.email, wanting.email_verified, wanting.wanted_email) == ("sam@example.com", True, None)


# --- addresses ----------------------------------------------------------------------------------------------------


def test_new_address_counts_only_once_verified() -> None:
    user = after(ACTIVE, wants("New@Example.com"))
    assert (user.email, user.email_verified, user.status) == ("sam@example.com", True, "ACTIVE")
    assert user.claims() == {("email", "sam@example.com")}, "a user cannot reserve an address of another"
    assert [type(event) for event in events_of(user, VERIFY, user.version)] == [EmailChanged]
    changed = after(user, VERIFY)
    assert (changed.email, changed.email_key) == ("New@Example.com", "new@example.com")
    assert changed.claims() == {("email", "new@example.com")}
    assert changed.wanted_email is None


@pytest.mark.parametrize("end", [CHANGE, RESET, RECOVER, BLOCK, DEACTIVATE])
def test_block_or_new_password_cancels_a_change_of_address(end: Command) -> None:
    """A thief asked for another address; a block or a new password ends that, too."""
    wanting = after(ACTIVE, ASK, wants("evil@example.com"))
    put_out = after(wanting, end)
    assert put_out.wanted_email is None
    for found in range(put_out.version + 1):
        assert code(put_out, VERIFY, found) == "code_invalid"
    assert code(put_out, SEND) == "invalid_transition", "nor is there a code to be sent once more"
    assert after(put_out, wants("mine@example.com"), VERIFY).email == "mine@example.com"


def test_blocked_user_can_verify_the_first_address() -> None:
    user = after(PENDING, SEND)
    assert after(user, BLOCK, UNBLOCK, VERIFY).status == "ACTIVE"


def test_change_of_address_needs_a_current_proof() -> None:
    """Of `self`: the password was compared some time before. A back end's has no proof, and needs none."""
    user = after(ACTIVE, RESET)
    assert code(user, wants("new@example.com"), 1) == "invalid_credentials"
    assert code(user, wants("new@example.com"), 2) == ""
    assert code(user, wants("new@example.com"), None) == ""


def test_pending_user_becomes_active_by_another_address() -> None:
    user = after(PENDING, wants("new@example.com"))
    assert [type(event) for event in events_of(user, VERIFY, user.version)] == [EmailChanged, EmailVerified]
    changed = after(user, VERIFY)
    assert (changed.email, changed.status) == ("new@example.com", "ACTIVE")


def test_verification_is_of_the_last_requested_address() -> None:
    user = after(PENDING, SEND)
    assert after(user, VERIFY).email == "sam@example.com"
    wanting = after(user, wants("a@example.com"), wants("b@example.com"), SEND)
    assert wanting.wanted_email == ("b@example.com", "b@example.com")
    assert code(wanting, VERIFY, user.version) == "code_invalid", "the code of the first address"
    assert after(wanting, VERIFY).email == "b@example.com"


def test_same_address_in_another_spelling_can_be_requested() -> None:
    assert code(ACTIVE, wants("sam@example.com")) == "invalid_transition"
    changed = after(ACTIVE, wants("SAM@example.com"), VERIFY)
    assert (changed.email, changed.claims()) == ("SAM@example.com", ACTIVE.claims())


@pytest.mark.parametrize("user", [ACTIVE, PENDING], ids=["active", "pending"])
def test_request_of_the_present_address_cancels_a_change(user: UserAggregate) -> None:
    wanting = after(user, wants("new@example.com"))
    back = after(wanting, wants("sam@example.com"))
    assert (back.email, back.email_verified, back.wanted_email) == ("sam@example.com", user.email_verified, None)
    assert code(back, VERIFY, wanting.version) == "code_invalid", "the code went to the other address"
    assert code(back, wants("sam@example.com")) == "invalid_transition"


def test_verification_of_a_verified_address_is_refused() -> None:
    assert code(ACTIVE, SEND) == "invalid_transition"
    assert code(ACTIVE, VERIFY, ACTIVE.version) == "code_invalid"
    assert code(after(PENDING, SEND, VERIFY), SEND) == "invalid_transition"


@pytest.mark.parametrize("user", EVERY.values(), ids=EVERY.keys())
def test_verification_does_not_unblock(user: UserAggregate) -> None:
    if not user.email_verified:
        assert after(user, SEND, VERIFY).holds == user.holds
    assert after(user, wants("new@example.com"), VERIFY).holds == user.holds


# --- who is not there ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [CHANGE, RESET, VERIFY, SEND, wants("a@example.com"), ASK, TellOwner(ID)])
def test_command_on_an_unknown_user_is_refused(command: Command) -> None:
    assert code(None, command, 1) == "user_not_found"


def test_reset_token_of_a_deleted_user_is_refused() -> None:
    assert code(None, RECOVER, 1) == "token_invalid"


def test_registered_user_is_pending_whatever_the_request_says() -> None:
    register = m.Register(email="sam@example.com", password=SECRET, profile=m.ProfileInput(first_name="Sam"))
    created = decide(None, register, Facts(password_hash="hash"))
    assert not isinstance(created, Refusal)
    (event,) = created
    user = evolve(None, event, ID, AT)
    assert user
    assert (user.status, user.external_id, user.metadata, user.app_metadata) == ("PENDING_VERIFICATION", None, {}, {})
    # In the discreet setting a code goes out with it.
    assert [type(event) for event in events_of(None, register)] == [UserCreated, EmailVerificationRequested]
    with_code = after(None, register)
    assert code(with_code, VERIFY, 1) == "code_invalid"
    assert after(with_code, VERIFY).status == "ACTIVE"


# --- whatever is asked --------------------------------------------------------------------------------------------

_ADDRESSES = st.sampled_from(["sam@example.com", "SAM@example.com", "kim@example.com", "a@example.com"])


class Machine(RuleBasedStateMachine):
    """A user, and what a model says about them that does not know their events.

    `mailed` and `password_since`: the last code and token that went out, and the version at which they and the password
    were new.
    """

    def __init__(self) -> None:
        super().__init__()
        self.user = PENDING
        self.verified = False
        self.email, self.wanted = "sam@example.com", ""
        self.required = False
        self.holds: list[str] = []
        self.password_since = 1
        self.mailed: dict[str, int | None] = {"code": None, "token": None}

    def do(self, command: Command, proven_at: int | None = None) -> str:
        """Carry a command out; the code of its refusal."""
        decision = decide(self.user, command, proof(proven_at))
        if isinstance(decision, Refusal):
            return decision.code
        for event in decision:
            changed = evolve(self.user, event, ID, AT)
            assert changed
            self.user = changed
        return ""

    def stay(self) -> None:
        """The requested address is forgotten, with the code that was mailed to it."""
        if self.wanted:
            self.wanted, self.mailed["code"] = "", None

    @rule(email=_ADDRESSES)
    def change_email(self, email: str) -> None:
        refused = self.do(wants(email)) != ""
        assert refused == (email == self.email and not self.wanted)
        if email == self.email:
            self.stay()
        elif not refused:
            self.wanted, self.mailed["code"] = email, self.user.version

    @rule()
    def send(self) -> None:
        refused = self.do(SEND) != ""
        assert refused == (self.verified and not self.wanted)
        if not refused:
            self.mailed["code"] = self.user.version

    @rule(found=st.integers(0, 12))
    def verify(self, found: int) -> None:
        """A code that was found to be right some versions ago: right is only the one that was mailed last."""
        at = self.user.version - found
        good = self.mailed["code"] is not None and at >= self.mailed["code"]
        # Without one in the mail the table has none that could be right.
        refused = self.do(VERIFY, at if self.mailed["code"] is not None else None) != ""
        assert refused == (not good)
        if good:
            if self.wanted:
                self.email, self.wanted = self.wanted, ""
                self.mailed["token"] = None
            self.verified, self.mailed["code"] = True, None

    @rule()
    def ask(self) -> None:
        assert self.do(ASK) == ""
        self.mailed["token"] = self.user.version

    @rule(found=st.integers(0, 12))
    def recover(self, found: int) -> None:
        at = self.user.version - found
        good = self.mailed["token"] is not None and at >= self.mailed["token"]
        refused = self.do(RECOVER, at if self.mailed["token"] is not None else None) != ""
        assert refused == (not good)
        if good:
            self.stay()
            if not self.verified:
                self.mailed["code"] = None
            self.verified, self.required, self.mailed["token"] = True, False, None
            self.password_since = self.user.version

    @rule(found=st.integers(0, 12))
    def change_password(self, found: int) -> None:
        at = self.user.version - found
        good = at >= self.user.password_version
        assert (self.do(CHANGE, at) == "") == good
        if good:
            self.stay()
            self.required, self.mailed["token"], self.password_since = False, None, self.user.version

    @rule(require=st.booleans())
    def reset_password(self, require: bool) -> None:
        assert self.do(REQUIRE if require else RESET) == ""
        self.stay()
        self.required, self.mailed["token"], self.password_since = require, None, self.user.version

    @rule()
    def block(self) -> None:
        assert self.do(BLOCK) == ""
        if self.holds[-1:] != ["BLOCKED"]:
            self.stay()
            self.holds = [each for each in self.holds if each != "BLOCKED"] + ["BLOCKED"]

    @precondition(lambda self: "BLOCKED" in self.holds)
    @rule()
    def unblock(self) -> None:
        assert self.do(UNBLOCK) == ""
        self.holds.remove("BLOCKED")

    @rule(value=st.integers(0, 2))
    def update(self, value: int) -> None:
        assert self.do(m.UpdateUser(user_id=ID, metadata={"a": value})) == ""

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        user = self.user
        status = self.holds[-1] if self.holds else "ACTIVE" if self.verified else "PENDING_VERIFICATION"
        assert (user.status, user.email, user.email_verified) == (status, self.email, self.verified)
        assert user.password_change_required == self.required
        assert user.wanted_email == ((self.wanted, self.wanted.casefold()) if self.wanted else None)
        claim: Claim = ("email", self.email.casefold())
        assert user.claims() == {claim}
        # Recovering adds the verification of the address behind the change of the password.
        assert user.password_version <= self.password_since <= user.password_version + 1


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
test_whatever_is_asked = Machine.TestCase


def test_verification_is_of_an_address_of_the_user() -> None:
    (event,) = events_of(PENDING, SEND)
    assert event == EmailVerificationRequested(None, None)
    (event,) = events_of(PENDING, wants("B\u00fccher@example.com"))
    assert event == EmailVerificationRequested("B\u00fccher@example.com", "b\u00fccher@example.com")

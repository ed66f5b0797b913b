"""The life of a user: every transition of every status, and what holds whatever is asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from denizen import messages as m
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import events
from services.domain.commands import Command, EndBlock
from services.domain.fold import evolve
from services.domain.refusals import Refusal
from services.domain.streams import StoredEvent
from services.domain.user import UserAggregate
from services.domain.values import Json, merge, rfc3339
from services.platform.ids import new_event_id
from tests.support.accounts import whole
from tests.support.decisions import decide
from tests.support.log import AT, user_id

ID = user_id()
CREATE = m.CreateUser(email="Sam@Example.com", external_id="x1", metadata={"a": 1})
BLOCK, UNBLOCK = m.BlockUser(user_id=ID), m.UnblockUser(user_id=ID)
DEACTIVATE, REACTIVATE = m.DeactivateUser(user_id=ID), m.ReactivateUser(user_id=ID)


def do(user: UserAggregate | None, *commands: Command, at: datetime = AT) -> UserAggregate:
    """The user after commands, none of which is refused."""
    for command in commands:
        decision = decide(user, command)
        assert not isinstance(decision, Refusal), decision.code
        for event in decision:
            user = evolve(user, event, ID, at)
    assert user
    return user


def code(user: UserAggregate | None, command: m.Request) -> str:
    decision = decide(user, command)
    assert isinstance(decision, Refusal)
    return decision.code


PENDING = do(None, CREATE)
ACTIVE = do(None, CREATE.model_copy(update={"email_verified": True}))


# --- status -----------------------------------------------------------------------------------------------------

BY_PATH: dict[str, tuple[UserAggregate, str]] = {
    "pending": (PENDING, "PENDING_VERIFICATION"),
    "active": (ACTIVE, "ACTIVE"),
    "pending, blocked": (do(PENDING, BLOCK), "BLOCKED"),
    "active, blocked": (do(ACTIVE, BLOCK), "BLOCKED"),
    "active, deactivated": (do(ACTIVE, DEACTIVATE), "DEACTIVATED"),
    "deactivated, blocked": (do(ACTIVE, DEACTIVATE, BLOCK), "BLOCKED"),
    "blocked, deactivated": (do(ACTIVE, BLOCK, DEACTIVATE), "DEACTIVATED"),
}


@pytest.mark.parametrize(("user", "status"), BY_PATH.values(), ids=BY_PATH.keys())
def test_status_follows_from_events(user: UserAggregate, status: str) -> None:
    assert user.status == status == user.body()["status"]


@pytest.mark.parametrize(
    ("path", "command", "result"),
    [
        ("pending", BLOCK, "BLOCKED"),
        ("pending", UNBLOCK, "invalid_transition"),
        ("pending", DEACTIVATE, "DEACTIVATED"),
        ("pending", REACTIVATE, "invalid_transition"),
        ("active", BLOCK, "BLOCKED"),
        ("active", UNBLOCK, "invalid_transition"),
        ("active", DEACTIVATE, "DEACTIVATED"),
        ("active", REACTIVATE, "invalid_transition"),
        ("pending, blocked", UNBLOCK, "PENDING_VERIFICATION"),
        ("active, blocked", BLOCK, "BLOCKED"),
        ("active, blocked", UNBLOCK, "ACTIVE"),
        ("active, blocked", DEACTIVATE, "DEACTIVATED"),
        ("active, blocked", REACTIVATE, "invalid_transition"),
        ("active, deactivated", BLOCK, "BLOCKED"),
        ("active, deactivated", UNBLOCK, "invalid_transition"),
        ("active, deactivated", DEACTIVATE, "DEACTIVATED"),
        ("active, deactivated", REACTIVATE, "ACTIVE"),
        ("deactivated, blocked", BLOCK, "BLOCKED"),
        ("deactivated, blocked", UNBLOCK, "DEACTIVATED"),
        ("deactivated, blocked", DEACTIVATE, "DEACTIVATED"),
        ("deactivated, blocked", REACTIVATE, "BLOCKED"),
        ("blocked, deactivated", BLOCK, "BLOCKED"),
        ("blocked, deactivated", UNBLOCK, "DEACTIVATED"),
        ("blocked, deactivated", DEACTIVATE, "DEACTIVATED"),
        ("blocked, deactivated", REACTIVATE, "BLOCKED"),
    ],
)
def test_transition_is_as_the_table_says(path: str, command: m.Request, result: str) -> None:
    user, _ = BY_PATH[path]
    if result == "invalid_transition":
        assert code(user, command) == result
    else:
        assert do(user, command).status == result


def test_unblock_restores_the_status_before() -> None:
    for user, _ in BY_PATH.values():
        if "BLOCKED" not in user.holds:
            assert do(user, BLOCK, UNBLOCK).status == user.status
        if "DEACTIVATED" not in user.holds:
            assert do(user, DEACTIVATE, REACTIVATE).status == user.status


def test_repeated_status_command_changes_nothing() -> None:
    assert decide(do(ACTIVE, BLOCK), BLOCK) == []
    assert decide(do(ACTIVE, DEACTIVATE), DEACTIVATE) == []
    assert decide(ACTIVE, m.UpdateUser(user_id=ID)) == []
    assert decide(ACTIVE, m.UpdateUser(user_id=ID, metadata={"a": 1}, external_id="x1")) == []
    assert decide(ACTIVE, m.UpdateUser(user_id=ID, metadata={"gone": None})) == []


def test_command_on_an_unknown_user_is_refused() -> None:
    for command in (m.UpdateUser(user_id=ID), BLOCK, UNBLOCK, DEACTIVATE, REACTIVATE):
        assert code(None, command) == "user_not_found"


def test_blocked_at_is_the_time_of_the_block() -> None:
    later = AT + timedelta(hours=1)
    blocked = do(ACTIVE, BLOCK, at=later)
    assert (ACTIVE.blocked_at, blocked.blocked_at) == (None, later)
    assert do(blocked, DEACTIVATE, at=later + timedelta(hours=1)).blocked_at == later
    assert do(blocked, UNBLOCK).blocked_at is None


def test_end_of_a_block_is_that_of_the_latest_command() -> None:
    until = [AT + timedelta(hours=hours) for hours in (1, 2)]
    first, second = (BLOCK.model_copy(update={"until": rfc3339(each)}) for each in until)
    blocked = do(ACTIVE, first)
    assert (blocked.blocked_until, do(blocked, second).blocked_until) == (until[0], until[1])
    assert decide(blocked, first) == []
    assert do(blocked, BLOCK).blocked_until is None, "an end can be taken away"
    assert do(blocked, UNBLOCK).blocked_until is None
    assert do(blocked, DEACTIVATE).blocked_until == until[0]


def test_only_the_block_that_has_this_end_is_ended() -> None:
    until = [AT + timedelta(hours=hours) for hours in (1, 2)]
    first, second = (BLOCK.model_copy(update={"until": rfc3339(each)}) for each in until)
    ending = EndBlock(ID, until[0])
    assert decide(do(ACTIVE, first), ending) == [events.UserUnblocked(ended=True)]
    for user in (ACTIVE, do(ACTIVE, BLOCK), do(ACTIVE, first, second), do(ACTIVE, first, UNBLOCK)):
        assert decide(user, ending) == []
    deactivated = do(ACTIVE, first, DEACTIVATE)
    assert do(deactivated, ending).status == "DEACTIVATED"
    assert do(deactivated, ending, REACTIVATE).status == "ACTIVE"


# --- fields -----------------------------------------------------------------------------------------------------


def test_created_user_has_the_given_fields() -> None:
    user = do(None, CREATE.model_copy(update={"profile": m.ProfileInput(first_name="Sam", last_name=None)}))
    assert (user.email, user.email_key, user.version) == ("Sam@Example.com", "sam@example.com", 1)
    assert user.profile == {"firstName": "Sam"}
    assert user.claims() == {("email", "sam@example.com"), ("externalId", "x1")}
    assert (user.created_at, user.updated_at) == (AT, AT)
    assert m.User.model_validate(user.body()).email_verified is False


def test_update_merges_at_the_top_level_and_null_removes() -> None:
    user = do(None, CREATE.model_copy(update={"metadata": {"a": {"x": 1}, "b": 2}, "app_metadata": {"p": 1}}))
    command = m.UpdateUser(
        user_id=ID,
        profile=m.ProfileInput(first_name="Sam", locale="de"),
        metadata={"a": {"y": 2}, "b": None, "c": 3},
        app_metadata={"p": None},
    )
    later = AT + timedelta(seconds=1)
    updated = do(user, command, at=later)
    assert updated.metadata == {"a": {"y": 2}, "c": 3}
    assert updated.app_metadata == {}
    assert updated.profile == {"firstName": "Sam", "locale": "de"}
    assert (updated.version, updated.created_at, updated.updated_at) == (2, AT, later)
    without = do(updated, m.UpdateUser(user_id=ID, profile=m.ProfileInput(first_name=None)))
    assert without.profile == {"locale": "de"}


def test_external_id_is_kept_removed_or_replaced() -> None:
    assert do(ACTIVE, m.UpdateUser(user_id=ID, metadata={"b": 1})).external_id == "x1"
    assert do(ACTIVE, m.UpdateUser(user_id=ID, external_id=None)).external_id is None
    assert do(ACTIVE, m.UpdateUser(user_id=ID, external_id="x2")).claims() == {
        ("email", "sam@example.com"),
        ("externalId", "x2"),
    }


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0), ([1], [True])])
def test_values_equal_in_python_only_are_changes(old: object, new: object) -> None:
    user = do(None, CREATE.model_copy(update={"metadata": {"a": old}}))
    updated = do(user, m.UpdateUser(user_id=ID, metadata={"a": new}))
    assert repr(updated.metadata) == repr({"a": new})


def test_metadata_cannot_exceed_its_bound_stepwise() -> None:
    user = do(None, CREATE.model_copy(update={"metadata": {"a": "x" * 10_000}}))
    decision = decide(user, m.UpdateUser(user_id=ID, metadata={"b": "x" * 10_000}))
    assert isinstance(decision, Refusal)
    assert (decision.code, decision.field) == ("validation_failed", "metadata")
    assert do(user, m.UpdateUser(user_id=ID, metadata={"a": None, "b": "x" * 10_000})).version == 2


def test_stream_begins_with_its_creation() -> None:
    with pytest.raises(ValueError, match="does not begin"):
        evolve(None, events.UserUnblocked(), ID, AT)


def test_times_sort_as_text() -> None:
    assert rfc3339(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000Z"


# --- whatever is asked ------------------------------------------------------------------------------------------

_JSON = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=3) | st.lists(st.integers(0, 2), max_size=2)
)
_METADATA = st.dictionaries(st.sampled_from("abc"), _JSON, max_size=3)
_PROFILES = st.fixed_dictionaries(
    {}, optional={"firstName": st.none() | st.sampled_from(["Sam", "Kim"]), "locale": st.none() | st.just("de")}
)
_UPDATES = st.fixed_dictionaries(
    {"userId": st.just(ID)},
    optional={
        "profile": _PROFILES,
        "metadata": _METADATA,
        "appMetadata": _METADATA,
        "externalId": st.none() | st.sampled_from(["x1", "x2"]),
    },
).map(m.UpdateUser.model_validate)
COMMANDS = st.lists(_UPDATES | st.sampled_from([BLOCK, UNBLOCK, DEACTIVATE, REACTIVATE]), max_size=12)


def stored(event: events.UserEvent, version: int, user: UserAggregate) -> StoredEvent:
    """The event as the log gives it back."""
    new = events.encode(event, ID, version, user.status, new_event_id())
    row = (new.type, new.schema_version, new.public, new.private)
    return StoredEvent(version, new.event_id, ID, version, *row, {}, AT)


@settings(max_examples=60, deadline=None)
@given(st.booleans(), COMMANDS)
def test_invariants_hold_for_any_commands(verified: bool, commands: list[m.Request]) -> None:
    user = do(None, CREATE.model_copy(update={"email_verified": verified}))
    history = [stored(event, 1, user) for event in decide_create(verified)]
    for command in commands:
        decision = decide(user, command)
        if isinstance(decision, Refusal):
            assert decision.code == "invalid_transition"
            continue
        assert len(decision) <= 1
        before = user
        for event in decision:
            after = evolve(user, event, ID, AT)
            assert after
            assert after.version == before.version + 1
            user = after
            history.append(stored(event, user.version, user))
            assert events.decode(history[-1]) == event
        assert bool(decision) == (repr(replace(user, version=before.version)) != repr(before))
        # To ask for the same again changes nothing, or cannot be.
        again = decide(user, command)
        assert isinstance(again, Refusal) or again == []
        # Holds are a set with an order, and a user keeps the address.
        assert len(set(user.holds)) == len(user.holds)
        assert (user.blocked_at is not None) == ("BLOCKED" in user.holds)
        assert ("email", "sam@example.com") in user.claims()
        assert None not in [*user.profile.values(), *user.metadata.values(), *user.app_metadata.values()]
    assert whole(ID, history).user == user


def decide_create(verified: bool) -> list[events.UserEvent]:
    decision = decide(None, CREATE.model_copy(update={"email_verified": verified}))
    assert not isinstance(decision, Refusal)
    return list(decision)


@settings(max_examples=60, deadline=None)
@given(COMMANDS)
def test_block_and_unblock_leave_no_trace(commands: list[m.Request]) -> None:
    user = ACTIVE
    for command in commands:
        if not isinstance(decide(user, command), Refusal):
            user = do(user, command)
    if "BLOCKED" not in user.holds:
        assert replace(do(user, BLOCK, UNBLOCK), version=user.version) == user


@settings(max_examples=60, deadline=None)
@given(_METADATA, _METADATA)
def test_merge_replaces_top_level_keys(old: Json, new: Json) -> None:
    old = merge({}, old)
    result: dict[str, Any] = merge(old, new)
    for key in {*old, *new, *result}:
        assert result.get(key) == (new[key] if key in new else old.get(key))
    assert None not in result.values()
    assert merge(result, new) == result

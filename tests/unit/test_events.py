"""Events and their form in the log. What was ever written is read for ever; what is published names no person.

tests/golden/ has events as they were stored, of every type and every schema version, with what they are read as.
To change the form of a type, raise the `schema_version` of its class, add the step to services/domain/upcasting.py, add
a file `<Type>.<version>.json` that the new code wrote, and leave the old files alone: they must decode as before, and
`event` may gain a field in them.
"""

from dataclasses import asdict
from typing import Any, get_args

import orjson
import pytest
from denizen import messages as m
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.users import USERS
from services.domain import events
from services.domain.email_address import canonical, coarse
from services.domain.events import SCHEMA_VERSION, TYPES, AnyEvent, UserCreated, UserUpdated, decode, encode
from services.domain.upcasting import upcast
from services.erasure import thin
from services.platform.ids import new_event_id
from tests.support.golden import GOLDEN, ID, read, stored


def as_json(event: AnyEvent) -> Any:
    return orjson.loads(orjson.dumps(asdict(event)))


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_event_is_read_as_expected(name: str) -> None:
    golden = GOLDEN[name]
    event = read(golden)
    assert type(event).__name__ == golden["type"]
    assert as_json(event) == golden["event"]
    m.EventData.model_validate(golden["public"], strict=False)
    assert list(thin.faults(golden["public"], golden["public"]["userId"])) == []


def test_every_version_of_every_type_has_a_golden_event() -> None:
    written = {f"{kind.__name__}.{version}" for kind, last in SCHEMA_VERSION.items() for version in range(1, last + 1)}
    assert written <= GOLDEN.keys()
    assert {kind.__name__ for kind in SCHEMA_VERSION} == set(get_args(m.EventType))
    assert set(SCHEMA_VERSION) == set(get_args(AnyEvent))


@pytest.mark.parametrize("name", sorted(name for name in GOLDEN if "erased" not in name))
def test_present_version_is_written_like_its_golden_event(name: str) -> None:
    golden = GOLDEN[name]
    kind = next(kind for kind in SCHEMA_VERSION if kind.__name__ == golden["type"])
    if golden["schemaVersion"] != SCHEMA_VERSION[kind]:
        pytest.skip("an older version")
    event = read(golden)
    public = golden["public"]
    new = encode(event, public["userId"], public["version"], public["status"], new_event_id())
    assert (new.type, new.schema_version) == (golden["type"], golden["schemaVersion"])
    assert (new.public, new.private) == (public, golden["private"])


def test_unknown_type_raises_an_error_without_content() -> None:
    event = stored("UserTeleported", 1, {}, {"email": "canary"})
    with pytest.raises(ValueError, match="UserTeleported") as caught:
        decode(event)
    assert str(event.event_id) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_event_of_newer_form_is_refused() -> None:
    event = stored("UserCreated", SCHEMA_VERSION[UserCreated] + 1, {"reason": "imported"}, {"email": "canary"})
    with pytest.raises(ValueError, match="newer form of UserCreated") as caught:
        decode(event)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_every_golden_form_is_upcast_to_the_form_of_today(name: str) -> None:
    """What is read of an old form and written again is the newest form, with the same content."""
    golden = GOLDEN[name]
    event, public = read(golden), golden["public"]
    new = encode(event, public["userId"], public["version"], public["status"], new_event_id())
    assert new.schema_version == SCHEMA_VERSION[type(event)]
    assert decode(stored(new.type, new.schema_version, new.public, new.private)) == event


@pytest.mark.parametrize(
    ("type", "version"),
    [("UserCreated", 1), ("UserCreated", 2), ("EmailChanged", 1), ("EmailVerificationRequested", 1)],
)
def test_coarse_key_of_an_address_is_upcast(type: str, version: int) -> None:
    address = "Info@Stra\u00dfe.example"
    private = upcast(type, version, {"email": address, "emailKey": coarse(address), "profile": {}})
    assert private == {"email": address, "emailKey": canonical(address), "profile": {}}
    assert upcast(type, version, dict(private)) == private, "twice is once"


CANARY = "canary"
_CANARIES = st.text("xyz", max_size=3).map(lambda text: CANARY + text)
_METADATA = st.dictionaries(_CANARIES, _CANARIES | st.lists(_CANARIES, max_size=2) | st.none(), max_size=3)
_PROFILE = st.dictionaries(st.sampled_from(["firstName", "picture"]), _CANARIES | st.none())
_EVENTS: st.SearchStrategy[AnyEvent] = st.one_of(
    st.builds(
        UserCreated,
        _CANARIES,
        _CANARIES,
        st.booleans(),
        st.none() | _CANARIES,
        _PROFILE,
        _METADATA,
        _METADATA,
    ),
    st.builds(UserUpdated, _PROFILE, _METADATA, _METADATA, st.none() | st.tuples(st.none() | _CANARIES)),
    st.builds(events.UserBlocked, st.none() | _CANARIES, st.none(), st.none() | st.just("2026-12-24T18:00:00.000000Z")),
    st.builds(events.UserUnblocked, st.booleans()),
    st.sampled_from([events.UserUnblocked(), events.UserDeactivated(), events.UserReactivated()]),
    st.sampled_from([events.EmailVerified(), events.PasswordResetRequested(), events.UserDeleted()]),
    st.builds(events.EmailVerificationRequested, _CANARIES, _CANARIES),
    st.builds(events.EmailChanged, _CANARIES, _CANARIES),
    st.builds(events.PasswordChanged, st.sampled_from(["changed", "reset", "recovered"]), st.booleans()),
    st.builds(events.LoginSucceeded, st.just("sess_1"), st.none() | _CANARIES, st.none() | _CANARIES),
    st.builds(
        events.LoginFailed, st.sampled_from(["invalid_credentials"]), st.none() | _CANARIES, st.none() | _CANARIES
    ),
    st.builds(events.SessionsRevoked, st.none() | st.just("sess_1")),
)


@settings(max_examples=100, deadline=None)
@given(_EVENTS)
def test_event_survives_a_round_trip_with_thin_public_part(event: AnyEvent) -> None:
    new = encode(event, ID, 3, "ACTIVE", new_event_id())
    assert decode(stored(new.type, new.schema_version, new.public, new.private)) == event
    assert CANARY not in orjson.dumps(new.public).decode()
    assert new.public.keys() - {"sessionId", "reason"} == {"userId", "version", "status", "changed"}
    if CANARY in repr(event):
        assert CANARY in orjson.dumps(new.private).decode()


def test_kinds_that_users_shows_belong_to_its_version() -> None:
    """A new kind raises the version (decision 52), because a projector of the version before skips it."""
    shown = {name for name, kind in TYPES.items() if kind.is_shown}
    assert (USERS.version, shown) == (
        7,
        {
            *("UserCreated", "UserUpdated", "UserCorrected", "UserDeleted"),
            *("UserBlocked", "UserUnblocked", "UserDeactivated", "UserReactivated"),
            *("EmailVerificationRequested", "EmailVerified", "EmailUnverified", "EmailChanged"),
            *("PasswordChanged", "PasswordResetRequested", "IdentityLinked", "IdentityUnlinked", "LoginSucceeded"),
        },
    )

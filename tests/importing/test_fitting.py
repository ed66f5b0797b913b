"""A field that cannot be kept never costs the user: it moves to appMetadata, or the row tells that it is lost."""

# pyright: reportPrivateUsage=false
import json
import time
from itertools import product
from typing import Any

import pytest
from denizen.importing import languages
from denizen.importing.languages import language_tag
from denizen.importing.reading import read_all
from denizen.importing.rows import Row
from denizen.messages import ImportedUser
from hypothesis import given, settings
from hypothesis import strategies as st
from langcodes import tag_is_valid

from services.domain import fields
from services.transfer import validation

Json = dict[str, Any]


def fitted(user: Json, raw: Json | None = None) -> Row:
    """The row of a preset that made this user."""
    (row,) = read_all([raw or {"source": "x"}], preset=lambda _: user)
    assert isinstance(row, Row), row
    check(row.user)
    return row


def check(user: Json) -> None:
    """What the service checks of a row. Raises Refusal."""
    row = validation._timed(ImportedUser.model_validate(user, strict=True, by_alias=True, by_name=False))
    fields.check(row)
    validation._check_identities(row.identities)


ODD_PROFILES: list[tuple[str, Any, str]] = [
    ("picture", "/static/avatar.png", "is not an http or https URL"),
    ("picture", "data:image/png;base64,iVBORw0KGgo=", "is not an http or https URL"),
    ("picture", "http://[", "is not an http or https URL"),
    ("picture", ["https://x.example/a.png", "https://x.example/b.png"], "is not text"),
    ("picture", "https://x.example/" + "a" * 2048, "has more than 2048 characters"),
    ("displayName", "A" * 257, "has more than 256 characters"),
    ("displayName", "Ada\nLovelace", "holds control characters"),
    ("firstName", {"first": "Ada"}, "is not text"),
    ("locale", {"language": "en"}, "is not text"),
    ("locale", "en_US.UTF-8", "is not a language tag that is known"),
    ("locale", "xx-klingon-123456789", "is not a language tag that is known"),
    ("timezone", "GMT+2", "is not the name of an IANA time zone"),
    ("timezone", 2, "is not text"),
]


@pytest.mark.parametrize(("field", "value", "fault"), ODD_PROFILES)
def test_odd_profile_value_moves_under_its_own_name(field: str, value: Any, fault: str) -> None:
    user = {"email": "a@example.com", "profile": {field: value, "lastName": "Lovelace"}, "appMetadata": {"plan": "pro"}}
    row = fitted(user, {"their_name": value})
    assert row.user["profile"] == {"lastName": "Lovelace"}
    assert row.user["appMetadata"] == {"plan": "pro", "their_name": value}
    assert list(row.changed) == [(f"profile.{field}", f"{fault}: kept in appMetadata as their_name")]


def test_value_within_an_object_moves_under_a_name_of_profiles() -> None:
    user = {"email": "a@example.com", "profile": {"picture": "/a.png", "displayName": "A\n"}}
    row = fitted(user, {"attributes": {"avatarUrl": "/a.png", "their_name": "A\n"}})
    assert row.user["appMetadata"] == {"avatarUrl": "/a.png", "displayName": "A\n"}


@pytest.mark.parametrize(("field", "odd"), [("avatar_url", "admin"), ("full_name", ["admin"]), ("full_name", "a\n")])
def test_user_cannot_choose_under_which_name_a_value_moves(field: str, odd: Any) -> None:
    """Users of Supabase write raw_user_meta_data themselves; what `appMetadata` says may be a right."""
    theirs = {"role": odd, "is_admin": odd, field: odd}
    raw = {"id": "1", "email": "a@example.com", "raw_app_meta_data": {}, "raw_user_meta_data": theirs}
    (row,) = read_all([raw], preset="supabase")
    assert isinstance(row, Row)
    assert row.user["metadata"] == theirs
    assert row.user["appMetadata"] == {field: odd}


def test_language_tag_with_underscore_is_kept() -> None:
    assert fitted({"email": "a@example.com", "profile": {"locale": "de_AT"}}).user["profile"] == {"locale": "de-AT"}


def test_moved_value_overwrites_nothing() -> None:
    user = {"email": "a@example.com", "profile": {"picture": "/b"}, "appMetadata": {"picture": "/a"}}
    assert fitted(user, {"picture": "/b"}).user["appMetadata"] == {"picture": "/a", "profile.picture": "/b"}


def test_value_without_room_in_app_metadata_is_reported() -> None:
    user = {"email": "a@example.com", "profile": {"displayName": "A" * 20_000}, "appMetadata": {"plan": "pro"}}
    row = fitted(user)
    assert row.user["appMetadata"] == {"plan": "pro"}
    assert "not taken, because appMetadata has no room" in row.changed[0][1]


def test_metadata_that_is_too_large_loses_its_largest_part() -> None:
    user = {"email": "a@example.com", "metadata": {"bio": "ä" * 9000, "theme": "dark"}}
    row = fitted(user)
    assert row.user["metadata"] == {"theme": "dark"}
    assert list(row.changed) == [("metadata.bio", "is not taken: metadata has room for 16384 octets")]


def test_metadata_of_many_parts_is_cut_in_linear_time() -> None:
    began = time.process_time()
    row = fitted({"email": "a@example.com", "metadata": {f"k{number}": "x" * 10 for number in range(40_000)}})
    assert time.process_time() - began < 20  # It took minutes when each part was measured again for each that went.
    assert 500 < len(row.user["metadata"]) < 1000


def test_metadata_that_is_nested_too_deep_becomes_text() -> None:
    deep: Any = "x"
    for _ in range(9):
        deep = [deep]
    row = fitted({"email": "a@example.com", "appMetadata": {"deep": deep, "plan": "pro"}})
    assert row.user["appMetadata"] == {"deep": json.dumps(deep), "plan": "pro"}
    assert [field for field, _ in row.changed] == ["appMetadata.deep"]


@pytest.mark.parametrize("external_id", ["x" * 257, "a\nb", "", 7, {"a": 1}])
def test_external_id_that_cannot_be_kept_moves(external_id: Any) -> None:
    row = fitted({"email": "a@example.com", "externalId": external_id}, {"user_id": external_id})
    assert "externalId" not in row.user
    assert row.user["appMetadata"] == {"user_id": external_id}


def test_identity_that_cannot_be_kept_moves() -> None:
    good = {"provider": "google", "providerId": "1"}
    odd = [{"provider": "Ünsere Firma", "providerId": "2"}, {"provider": "x", "providerId": "a" * 300}, {}]
    row = fitted({"email": "a@example.com", "identities": [*odd, good, good]})
    assert row.user["identities"] == [good]
    assert len(row.changed) == 2
    assert row.user["appMetadata"]["identities"] == [odd[0], odd[2]]


@pytest.mark.parametrize("at", ["yesterday", "2999-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0001-01-01", 7])
def test_time_that_cannot_be_kept_moves(at: Any) -> None:
    row = fitted({"email": "a@example.com", "createdAt": at}, {"created_at": at})
    assert "createdAt" not in row.user
    assert row.user["appMetadata"] == {"created_at": at}


def test_times_out_of_order_move() -> None:
    times = {"createdAt": "2024-05-06T07:08:09Z", "updatedAt": "2024-05-06T07:08:08Z"}
    row = fitted({"email": "a@example.com", **times})
    assert (row.user["createdAt"], "updatedAt" in row.user) == (times["createdAt"], False)
    row = fitted({"email": "a@example.com", "updatedAt": times["updatedAt"]})
    assert "updatedAt" not in row.user


def test_known_language_tags_are_valid_for_the_service() -> None:
    regions = ["", *(f"-{region}" for region in sorted(languages._REGIONS)), "-419", "-001", "-150"]
    scripts = ["", *(f"-{script}" for script in sorted(languages._SCRIPTS))]
    tags = [language + script for language, script in product(sorted(languages._LANGUAGES), scripts)]
    tags += [f"de{script}{region}" for script, region in product(scripts, regions)]
    wrong = [tag for tag in tags if language_tag(tag) != tag or not tag_is_valid(tag)]
    assert wrong == []
    assert [language_tag(text) for text in ("", "C", "POSIX", "deutsch", "en-UK-x", "xx", "de-QQ")] == [None] * 7


_ODD = st.one_of(
    st.text(max_size=300),
    st.sampled_from(["de_AT", "Europe/Vienna", "https://a.example/x", "2024-01-01T00:00:00Z", "2024-01-01T24:00:00Z"]),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.none(),
    st.booleans(),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
_PROFILES = st.dictionaries(
    st.sampled_from(["firstName", "lastName", "displayName", "picture", "locale", "timezone"]), _ODD
)
_LINKS = st.fixed_dictionaries({"provider": _ODD, "providerId": _ODD}, optional={"linkedAt": _ODD})
_USERS = st.fixed_dictionaries(
    {"email": st.just("a@example.com")},
    optional={
        "profile": _PROFILES | _ODD,
        "externalId": _ODD,
        "createdAt": _ODD,
        "updatedAt": _ODD,
        "blockedAt": _ODD,
        "blockedUntil": _ODD,
        "status": st.sampled_from(["BLOCKED", "DEACTIVATED"]),
        "identities": st.lists(_LINKS | _ODD, max_size=4),
        "metadata": st.dictionaries(st.text(max_size=4), st.recursive(_ODD, st.lists, max_leaves=20)) | _ODD,
        "appMetadata": st.dictionaries(st.text(max_size=4), _ODD, max_size=3) | _ODD,
    },
)


@settings(max_examples=400, deadline=None)
@given(_USERS)
def test_fitted_user_passes_the_service_checks(user: Json) -> None:
    fitted(user)

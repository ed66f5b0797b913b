"""A map of columns makes a preset."""

import json
from contextlib import suppress
from typing import Any

import pytest
from denizen.importing import BadRow, Columns, Row, read
from hypothesis import given, settings
from hypothesis import strategies as st

MAP = """
email = "mail"
emailVerified = true
externalId = "person.number"
createdAt = "joined"
status = { column = "state", values = { active = "ACTIVE", "0" = "BLOCKED" } }
"profile.firstName" = "names.0.given"
appMetadata.source = { value = "crm" }
[metadata]
plan = "contract.plan"
address.city = "city"
"""


def made(columns: Columns, *rows: dict[str, Any], **options: Any) -> list[Any]:
    return [row.user if isinstance(row, Row) else row for row in read(rows, preset=columns, **options)]


def test_map_of_every_kind_of_line_makes_users() -> None:
    raw = {
        "mail": "a@example.com", "person": {"number": 7}, "joined": "1/2/2024", "state": "Active",
        "names": [{"given": "Ada"}], "contract": {"plan": ["pro"]}, "city": "Wien", "other": 1,
    }  # fmt: skip
    wanted = {
        "email": "a@example.com", "emailVerified": True, "externalId": "7", "createdAt": "2024-02-01T00:00:00Z",
        "status": "ACTIVE", "profile": {"firstName": "Ada"}, "appMetadata": {"source": "crm"},
        "metadata": {"plan": ["pro"], "address": {"city": "Wien"}},
    }  # fmt: skip
    assert made(Columns.parse(MAP), raw, dates="dmy") == [wanted]
    as_json = {
        "email": "mail", "emailVerified": True, "externalId": "person.number", "createdAt": "joined",
        "status": {"column": "state", "values": {"active": "ACTIVE", "0": "BLOCKED"}},
        "profile": {"firstName": "names.0.given"}, "appMetadata": {"source": {"value": "crm"}},
        "metadata.plan": "contract.plan", "metadata.address.city": "city",
    }  # fmt: skip
    assert made(Columns.parse(json.dumps(as_json)), raw, dates="dmy") == [wanted]


def test_value_that_the_map_does_not_list_is_a_bad_row() -> None:
    user, bad = made(Columns.parse(MAP), {"mail": "a", "state": 0}, {"mail": "a", "state": "canary"})
    assert user["status"] == "BLOCKED"
    assert isinstance(bad, BadRow)
    assert (bad.field, bad.message) == ("status", "is a value that the map does not list")


@pytest.mark.parametrize("blank", ["", None])
def test_blank_state_of_a_map_is_a_bad_row(blank: object) -> None:
    """The user may be blocked there. A map with a star says already what any value but none means."""
    lines = 'email = "mail"\nstatus = { column = "state", values = { active = "ACTIVE"%s } }'
    (bad,) = made(Columns.parse(lines % ""), {"mail": "a@example.com", "state": blank})
    assert (bad.field, "has no value: say in the map" in bad.message) == ("status", True)
    (row,) = made(Columns.parse(lines % ', "" = "BLOCKED"'), {"mail": "a@example.com", "state": blank})
    assert row["status"] == "BLOCKED"
    (row,) = made(Columns.parse(lines % ', "*" = "BLOCKED"'), {"mail": "a@example.com", "state": blank})
    assert "status" not in row


def test_star_of_a_map_is_any_other_value() -> None:
    star = Columns.parse('email = "mail"\nstatus = {column = "locked", values = {"*" = "BLOCKED", no = "ACTIVE"}}')
    rows = [{"mail": "a", "locked": each} for each in ("2024-01-01", "No", "", None, 0)]
    assert [user.get("status") for user in made(star, *rows)] == ["BLOCKED", "ACTIVE", None, None, "BLOCKED"]


def test_ambiguous_date_of_a_map_is_a_bad_row() -> None:
    (bad,) = made(Columns.parse(MAP), {"mail": "a", "joined": "1/2/2024"})
    assert isinstance(bad, BadRow)
    assert "--dates" in bad.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1 to 1000 lines"),
        ("email", "not TOML"),
        ('{"email"', "not JSON"),
        ('name = "x"\nemail = "y"', "map names name, which users do not have; they have id, email, "),
        ('externalId = "x"', "no line for email"),
        ('email = "x"\nprofile.nick = "y"', "profile.nick"),
        ('email = "x"\nprofile = "p"\nprofile.firstName = "y"', "TOML"),
        ('email = "x"\n"profile" = "p"\n"profile.firstName" = "y"', "as a whole and in part"),
        ("email = 'x'\nmetadata = {}\nstatus = []", "line status must be"),
        ('email = "x"\nemailVerified = {value = "perhaps"}', "neither true nor false"),
        ('email = { column = "x" }', "line email must be"),
        ('email = "x"\nmetadata."" = "y"', "metadata."),
        ("[" * 5000, "TOML"),
        ('{"email": ' + "[" * 100_000, "JSON"),
        ('email = "x"\nmetadata.' + ".".join("a" * 12) + ' = "y"', "deeper"),
    ],
)
def test_bad_map_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        Columns.parse(text)
    assert words in str(refused.value)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('email="x\n[]{}.metadata,value:1'), max_size=60))
def test_random_maps_raise_only_value_errors(text: str) -> None:
    for each in (text, "{" + text):
        with suppress(ValueError):
            Columns.parse(each)

"""A file is read by the preset of its own system alone, and named without one."""

import json
from pathlib import Path
from typing import Any

import pytest
from denizen.importing import PRESETS, BadRow, RefusedFile, Row, firebase, read
from denizen.importing.presets import SYSTEMS
from denizen.importing.recognition import _COMMON, _OURS  # pyright: ignore[reportPrivateUsage]
from denizen.messages import ImportedUser
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.importing.test_presets import CONFIG, SAMPLED, SAMPLES, system_of

OF = {name: system_of(name) for name in SAMPLED}
KEYCLOAK: dict[str, Any] = {
    "username": "ada",
    "email": "ada@example.com",
    "enabled": False,
    "totp": False,
    "emailVerified": True,
}
AUTH0: dict[str, Any] = {
    "user_id": "auth0|1",
    "email": "a@example.com",
    "blocked": True,
    "app_metadata": {},
    "given_name": "Ada",
}
OURS: dict[str, Any] = {
    "email": "ada@example.com",
    "emailVerified": True,
    "status": "BLOCKED",
    "profile": {"firstName": "Ada"},
}


def refusal(source: Any, preset: Any = None) -> str:
    rows = read(source, preset=preset)
    with pytest.raises(RefusedFile) as raised:
        next(rows)
    return str(raised.value)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", SAMPLED)
def test_sample_is_accepted_by_its_own_preset_alone(name: str, preset: str) -> None:
    if OF[name] == preset:
        assert any(
            isinstance(row, Row)
            for row in read(SAMPLES / name, preset=firebase(CONFIG) if preset == "firebase" else preset)
        )
    else:
        assert f"--from {OF[name]};" in refusal(SAMPLES / name, preset)


@pytest.mark.parametrize("name", SAMPLED)
def test_sample_without_preset_is_named(name: str) -> None:
    title = next(system.title for system in SYSTEMS if system.name == OF[name])
    message = refusal(SAMPLES / name)
    assert message.startswith(f"this looks like {title}: --from {OF[name]}; the presets are ")
    assert all(preset in message for preset in PRESETS)


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("name", SAMPLED)
def test_single_row_of_a_sample_is_recognised(name: str, row: int) -> None:
    """Whatever a row leaves out: a system omits what is empty."""
    rows: list[Any] = []
    list(read(SAMPLES / name, preset=rows.append))
    assert f"--from {OF[name]};" in refusal([rows[min(row, len(rows) - 1)]])
    assert "--from" not in str(list(read([rows[min(row, len(rows) - 1)]], preset=OF[name])))


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(ImportedUser.model_json_schema(by_alias=True)["properties"])), st.just("x"))
)
def test_row_of_ours_is_never_taken_for_another_systems(raw: dict[str, Any]) -> None:
    raw["email"] = "ada@example.com"
    assert all(isinstance(row, Row) for row in read([raw]))
    for name in PRESETS:
        assert "does not look like" in refusal([raw], name) or "Denizen's own form" in refusal([raw], name)


def test_export_of_ours_is_refused_by_every_preset(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("id,email,emailVerified,status,profile.firstName\nuser_1,a@example.com,true,BLOCKED,Ada\n", "utf-8")
    for name in PRESETS:
        assert refusal([OURS], name).startswith("this looks like Denizen's own form, and not like ")
        assert "leave --from out" in refusal(file, name)
    assert isinstance(next(read(file)), Row)


def test_row_of_another_system_with_a_profile_is_not_called_ours() -> None:
    okta = {"id": "00u", "status": "SUSPENDED", "profile": {"email": "a@example.com"}, "credentials": {}}
    assert "this does not look like Auth0" in refusal([okta], "auth0")


def test_marks_are_no_names_of_ours_or_of_every_system() -> None:
    for system in SYSTEMS:
        assert not {mark.casefold() for mark in system.marks} & _COMMON, system.name
        assert not {mark.casefold().replace("_", "") for mark in system.marks} & _OURS, system.name


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    "row",
    [
        {"email": "ada@example.com"},
        {"email": "ada@example.com", "username": "ada", "first_name": "Ada", "created_at": "2024-01-01"},
        {"email": "a@example.com", "password_digest": "x", "locked": True},  # Rails
        {"email": "a@example.com", "encrypted_password": "x", "sign_in_count": 1, "locked_at": "2024-01-01"},  # Devise
        {"email": "a@example.com", "hashed_password": "x", "is_active": False, "is_verified": True},  # FastAPI Users
        {
            "email": "a@example.com",
            "username": "ada",
            "provider": "local",
            "confirmed": True,
            "blocked": True,
        },  # Strapi
    ],
)
def test_file_without_marks_is_refused_and_told_what_marks_are(name: str, row: dict[str, Any]) -> None:
    message = refusal([row], name)
    system = next(each for each in SYSTEMS if each.name == name)
    assert message.startswith(f"this does not look like {system.title}: its rows have at least one of the fields ")
    assert isinstance(next(read([row])), Row)  # What no system has, the service judges.


def test_chosen_columns_that_only_one_system_has_are_recognised(tmp_path: Path) -> None:
    for name, header, cells in (
        ("auth0", "email,provider", "a@example.com,google-oauth2"),
        ("keycloak", "username,email,enabled", "ada,a@example.com,false"),
        ("supabase", "id,email,encrypted_password", "1,a@example.com,$2a$05$x"),
        ("django", "id,email,is_active", "1,a@example.com,f"),
    ):
        file = tmp_path / f"{name}.csv"
        file.write_text(f"{header}\n{cells}\n", "utf-8")
        assert isinstance(next(read(file, preset=name)), Row), name


def test_rows_before_the_first_mark_are_kept() -> None:
    plain = [{"email": f"u{number}@example.com"} for number in range(60)]
    rows = list(read([*plain, KEYCLOAK], preset="keycloak"))
    assert [row.line for row in rows] == list(range(1, 62))
    assert "--from keycloak" in refusal([*plain, KEYCLOAK], "auth0")
    assert "--from keycloak" in refusal([*plain, KEYCLOAK])


def test_marks_are_not_looked_for_without_bound() -> None:
    def endless() -> Any:
        for number in range(10_000):
            assert number <= 100
            yield {"email": f"u{number}@example.com"}

    assert "does not look like" in refusal(endless(), "keycloak")


def test_row_of_another_system_within_a_file_is_a_bad_row() -> None:
    first, second, third = read([KEYCLOAK, AUTH0, {**KEYCLOAK, "email": "b@example.com"}], preset="keycloak")
    assert isinstance(first, Row)
    assert isinstance(second, BadRow)
    assert (second.line, second.message) == (2, "the row looks like Auth0, and not like Keycloak")
    assert isinstance(third, Row)
    mine, other = read([OURS, AUTH0])
    assert isinstance(mine, Row)
    assert isinstance(other, BadRow)


def test_csv_without_header_is_told(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("abc123,jane@example.com,true\nabc124,john@example.com,true\n", "utf-8")
    assert "firebase auth:export users.json --format=json" in refusal(file, "firebase")
    assert refusal(file, "keycloak").startswith("the file has no header")


@pytest.mark.parametrize("cell", ["+4915112345678", "0151 123-4567", "2024-01-31", "123456"])
def test_first_line_with_a_number_of_a_user_is_no_header(tmp_path: Path, cell: str) -> None:
    """Its cells would stand in the message that names unknown columns."""
    file = tmp_path / "users.csv"
    file.write_text(f"7,{cell},Ada Lovelace\n", "utf-8")
    with pytest.raises(RefusedFile, match="no header"):
        list(read(file))


def test_preset_of_the_caller_takes_any_row() -> None:
    assert isinstance(next(read([AUTH0], preset=lambda raw: {"email": raw["email"]})), Row)


def test_empty_file_is_not_refused(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    file.write_text(json.dumps([]), "utf-8")
    assert list(read(file, preset="keycloak")) == []


@pytest.mark.parametrize(
    "row",
    [
        {"id": 1, "name": "A", "email": "a@example.com", "slug": "a", "url": "x", "meta": {}},
        {"_id": "1", "name": "A", "email": "a@example.com", "role": "admin", "createdAt": "2024-01-01T00:00:00Z"},
        {"objectId": "1", "email": "a@example.com", "mobile": "+1", "title": "Dr"},
    ],
)
def test_row_of_names_that_many_systems_have_is_of_none(row: dict[str, Any]) -> None:
    assert [type(each) for each in read([row])] == [Row]

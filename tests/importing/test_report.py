"""No field and no row is lost silently: the report says what presets do not read, leave out or change."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from denizen.importing.reading import read_all
from denizen.importing.report import ImportReport, shown_name
from denizen.importing.rows import BadRow, LeftOutRow, Row
from denizen.importing.source_row import LeftOut, change, leave
from denizen.importing.values import array, mapping, text

Json = dict[str, Any]


def converted(raw: Json, preset: Callable[[Json], Json | None]) -> Row | BadRow | LeftOutRow:
    (row,) = read_all([raw], preset=preset)
    return row


def not_taken(raw: Json, preset: Callable[[Json], Json | None]) -> list[str]:
    row = converted(raw, preset)
    assert isinstance(row, Row)
    return [path for path, _ in row.not_taken]


def whole(take: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """Give a lambda its type."""
    return take


def minimal(raw: Json) -> Json:
    return {"email": raw["email"]}


def test_unread_fields_are_named_and_empty_ones_are_not() -> None:
    raw = {"email": "a", "phone": "1", "none": None, "no": False, "zero": 0, "blank": "", "nothing": {"a": [None]}}
    assert not_taken(raw, minimal) == ["phone"]


def test_partly_read_objects_name_their_unread_fields() -> None:
    def preset(raw: Json) -> Json:
        link = array(raw, "identities")[0]
        return {"email": raw["user"]["mail"], "appMetadata": {"provider": link["provider"]}}

    raw = {
        "user": {"mail": "a", "phone": "1"},
        "identities": [{"provider": "x", "token": "canary", "data": {"a": 1}}, {"provider": "y"}],
    }
    assert not_taken(raw, preset) == ["identities.token", "identities.data", "identities.provider", "user.phone"]
    assert not_taken({**raw, "identities": json.dumps(raw["identities"])}, preset) == [
        "identities.token",
        "identities.data",
        "identities.provider",
        "user.phone",
    ]
    assert raw["user"] == {"mail": "a", "phone": "1"}


@pytest.mark.parametrize(
    "take",
    [
        whole(lambda raw: raw["data"]),
        whole(lambda raw: mapping(raw, "data")),
        whole(lambda raw: dict(raw["data"])),
        whole(lambda raw: {**raw["data"]}),
        whole(lambda raw: dict(raw["data"].items())),
        whole(lambda raw: raw.pop("data")),
    ],
)
def test_object_that_is_taken_whole_leaves_nothing(take: Callable[[Json], Json]) -> None:
    def preset(raw: Json) -> Json:
        return {"email": raw["email"], "metadata": take(raw)}

    row = converted({"email": "a", "data": {"b": {"c": 1}}}, preset)
    assert isinstance(row, Row)
    assert (row.not_taken, row.user["metadata"]) == ([], {"b": {"c": 1}})


def test_preset_tells_reasons_and_changes() -> None:
    def preset(raw: Json) -> Json:
        if text(raw, "client"):
            raise LeftOut("a service account")
        leave(raw, "second factors are not imported", "totp", "codes")
        change(raw, "emailVerified", "the file does not say so")
        return {"email": raw["email"]}

    row = converted({"email": "a", "totp": "canary", "codes": []}, preset)
    assert isinstance(row, Row)
    assert row.not_taken == [("totp", "second factors are not imported")]
    assert row.changed == [("emailVerified", "the file does not say so")]
    assert converted({"email": "a", "client": "x"}, preset) == LeftOutRow(1, "a service account")
    left_out = converted({"email": "a"}, lambda _: None)
    assert isinstance(left_out, LeftOutRow)


def test_export_of_denizen_tells_that_logins_are_not_taken() -> None:
    (row,) = read_all([{"email": "a", "version": 7, "loginCount": 3, "lastLoginAt": None}])
    assert isinstance(row, Row)
    assert [path for path, _ in row.not_taken] == ["version", "loginCount"]
    assert row.user == {"email": "a"}


def test_report_groups_with_counts_and_first_lines() -> None:
    report = ImportReport()
    for line in range(1, 21):
        report.read(Row(line, {}, [("phone", None)], [("profile.locale", "is no tag")]))
        report.refuse(line, "validation_failed", "email", "is no address")
    report.leave_out(7, "a service account")
    assert report.as_json() == {
        "refused": [
            {
                "code": "validation_failed",
                "field": "email",
                "message": "is no address",
                "count": 20,
                "lines": [1, 2, 3, 4, 5],
            }
        ],
        "leftOut": [{"message": "a service account", "count": 1, "lines": [7]}],
        "notTaken": [{"field": "phone", "count": 20, "lines": [1, 2, 3, 4, 5]}],
        "changed": [{"field": "profile.locale", "message": "is no tag", "count": 20, "lines": [1, 2, 3, 4, 5]}],
    }


def test_report_with_another_name_in_each_row_stays_small() -> None:
    letters = "abcdefghij"
    report = ImportReport()
    for line in range(1, 100_001):
        name = "field_" + "".join(letters[int(digit)] for digit in str(line))
        report.read(Row(line, {}, [(name, None)]))
        report.refuse(line, "validation_failed", name, "is unknown")
    shown = report.as_json()
    for kind in ("refused", "notTaken"):
        assert len(shown[kind]) == 101
        assert sum(each["count"] for each in shown[kind]) == 100_000
        assert shown[kind][0]["field"] == "(other fields)"
    assert len(json.dumps(shown)) < 40_000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("phone_number", "phone_number"),
        ("Größe", "Größe"),
        ("First Name", "First Name"),
        ("_id.$oid", "_id.$oid"),
        ("identities.3.linkedAt", "identities.linkedAt"),
        ("ada@example.com", "(a name that is not shown)"),
        ("usercertificate;binary", "usercertificate;binary"),
        ("jpegphoto in another file", "jpegphoto in another file"),
        ("+43 660 1234567", "(a name that is not shown)"),
        ("user12345", "(a name that is not shown)"),
        ("a\x1b[31mred", "(a name that is not shown)"),
        ("a\u202eb", "(a name that is not shown)"),
        ("x" * 1_000_000, "(a name that is not shown)"),
        ("data.jane.doe@example.com", "(a name that is not shown)"),
    ],
)
def test_name_that_may_hold_data_is_hidden(name: str, shown: str) -> None:
    assert shown_name(name) == shown

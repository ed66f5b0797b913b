"""CSV as spreadsheets write and change it."""

import io
from typing import Any

import pytest
from denizen.importing import BadRow, Row, read


def users(text: str, **options: Any) -> list[dict[str, Any]]:
    rows = list(read(io.BytesIO(text.encode()), format="csv", **options))
    assert not [row for row in rows if isinstance(row, BadRow)], rows
    return [row.user for row in rows if isinstance(row, Row)]


def one_bad(text: str, **options: Any) -> BadRow:
    (row,) = read(io.BytesIO(text.encode()), format="csv", **options)
    assert isinstance(row, BadRow)
    return row


@pytest.mark.parametrize(
    ("begin", "sign"),
    [("sep=;\r\n", ";"), ('"sep=|"\r\n', "|"), ("SEP=,\n", ","), ("sep=\t\n", "\t"), ("", ";"), ("", "\t"), ("", "|")],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separator_is_named_or_seen_in_the_header(begin: str, sign: str, mark: str) -> None:
    text = f"{mark}{begin}email{sign}profile.lastName\r\na@example.com{sign}Ada\r\n"
    assert users(text) == [{"email": "a@example.com", "profile": {"lastName": "Ada"}}]


def test_separator_line_keeps_line_numbers() -> None:
    assert [row.line for row in read(io.BytesIO(b"sep=;\nemail;metadata\na;\n\nb;x\n"), format="csv")] == [3, 5]


@pytest.mark.parametrize(
    "header",
    [
        "EMAIL,EMAILVERIFIED,PROFILE.FIRSTNAME,APPMETADATA.Plan_A",
        "e-mail,Email Verified,Profile.First_Name,app_metadata.Plan_A",
        "Email,email_verified,profile.firstName,App-Metadata.Plan_A",
    ],
)
def test_header_is_read_without_case_and_underscores(header: str) -> None:
    assert users(f"{header}\na@example.com,true,Ada,pro\n") == [
        {
            "email": "a@example.com",
            "emailVerified": True,
            "profile": {"firstName": "Ada"},
            "appMetadata": {"Plan_A": "pro"},
        }
    ]


def test_same_column_in_two_spellings_is_refused() -> None:
    assert "column twice" in one_bad("email,createdAt,created_at\n").message


def test_empty_column_without_name_is_ignored() -> None:
    assert users("email,,\na@example.com,,\n") == [{"email": "a@example.com"}]
    assert "no name" in one_bad("email,,\na@example.com,x,\n").message
    assert "no name" in one_bad("id,primary_email_address,\n7,a@example.com,x\n", preset="clerk").message


def test_null_texts_are_no_value_where_databases_write_them() -> None:
    header = "id,email,encrypted_password,email_confirmed_at,phone,raw_user_meta_data\n"
    row = r'7,a@example.com,NULL,NULL,\N,"{""full_name"": ""NULL""}"'
    (user,) = users(f"{header}{row}\n", preset="supabase")
    assert user == {
        "email": "a@example.com", "emailVerified": False, "externalId": "7", "profile": {"displayName": "NULL"},
        "metadata": {"full_name": "NULL"},
    }  # fmt: skip


def test_null_texts_are_names_elsewhere_unless_given() -> None:
    text = "email,profile.lastName\na@example.com,NULL\n"
    assert users(text)[0]["profile"] == {"lastName": "NULL"}
    assert users(text, null=["NULL", "-"]) == [{"email": "a@example.com"}]
    clerk = "id,primary_email_address,last_name\n7,a@example.com,NULL\n"
    assert users(clerk, preset="clerk")[0]["profile"] == {"lastName": "NULL"}
    assert "profile" not in users(clerk, preset="clerk", null=["NULL"])[0]
    lines = b'{"email": "a@example.com", "externalId": "n/a"}\n'
    (row,) = read(io.BytesIO(lines), format="jsonl", null=["n/a"])
    assert isinstance(row, Row)
    assert row.user == {"email": "a@example.com"}


def test_times_of_our_columns_have_the_forms_of_spreadsheets() -> None:
    text = "email,createdAt\na@example.com,{}\n"
    assert users(text.format("2024-01-02T03:04:05.123456789Z"))[0]["createdAt"] == "2024-01-02T03:04:05.123456789Z"
    assert users(text.format("31.12.2023 23:59"))[0]["createdAt"] == "2023-12-31T23:59:00Z"
    assert users(text.format("1/2/2024"), dates="mdy")[0]["createdAt"] == "2024-01-02T00:00:00Z"
    bad = one_bad(text.format("1/2/2024"))
    assert (bad.code, bad.field) == ("validation_failed", "createdAt")
    assert "--dates dmy or --dates mdy" in bad.message
    assert one_bad(text.format("yesterday")).message == "is not a time"


def test_auth0_quotes_and_paths_are_read() -> None:
    header = "user_id,email,email_verified,name,user_metadata.country,identities[0].provider,identities[0].user_id\n"
    row = "'auth0|6,'o'hara@example.com,true,''tis,'AT,'google-oauth2,'77\n"
    (user,) = users(header + row, preset="auth0")
    assert (user["email"], user["profile"]) == ("o'hara@example.com", {"displayName": "'tis"})
    assert user["metadata"] == {"country": "AT"}
    assert user["identities"] == [{"provider": "google-oauth2", "providerId": "77"}]
    unquoted = "user_id,email,email_verified,name\nauth0|6,a@example.com,true,'tis\n"
    assert users(unquoted, preset="auth0")[0]["profile"] == {"displayName": "'tis"}


def _take(raw: dict[str, Any]) -> dict[str, Any]:
    return {"email": raw.pop("email"), "metadata": dict(raw)}


@pytest.mark.parametrize(
    ("names", "cells", "wanted"),
    [
        ("a,a.b", "1,2", {"a": "1", "a.b": "2"}),
        ("a.b,a.c.d,a.c.e", "1,2,3", {"a": {"b": "1", "c": {"d": "2", "e": "3"}}}),
        ("a.b,a[1]", "1,2", {"a": {"b": "1", "1": "2"}}),
        ("a[2].b,a[99]", "1,", {"a": [{}, {}, {"b": "1"}]}),
        ("a..b,.c,[0],a]b", "1,2,3,4", {"a..b": "1", ".c": "2", "[0]": "3", "a]b": "4"}),
    ],
)
def test_paths_in_a_header_make_objects(names: str, cells: str, wanted: dict[str, Any]) -> None:
    assert users(f"email,{names}\ne@example.com,{cells}\n", preset=_take)[0]["metadata"] == wanted


def test_column_that_is_list_and_object_is_a_bad_row() -> None:
    text = "email,a[1],a.b\ne@example.com,1,2\n"
    assert "within another" in one_bad(text, preset=_take).message

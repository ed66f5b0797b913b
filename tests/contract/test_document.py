"""The contract document: valid AsyncAPI, and as complete as the table of operations."""

import json
from pathlib import Path
from typing import Any

import pytest
from denizen import errors, headers
from denizen.operations import OPERATIONS
from jsonschema.validators import validator_for

from services.endpoint import contract

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return contract.document()


def test_document_is_valid_asyncapi(document: dict[str, Any]) -> None:
    # The specification's own schema, as the package @asyncapi/specs 6.11.1 ships it (Apache-2.0), white space removed.
    schema = json.loads((HERE / "asyncapi-3.0.0.schema.json").read_text("utf-8"))
    faults = validator_for(schema)(schema).iter_errors(document)
    assert [f"{fault.json_path}: {fault.message}" for fault in faults] == []


def test_document_has_no_dead_reference(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_committed_document_is_current() -> None:
    committed = HERE.parent.parent / "contracts" / "asyncapi.json"
    assert committed.read_text("utf-8") == contract.text(), "run `make contract`"


@pytest.mark.parametrize("name", OPERATIONS)
def test_document_shows_each_operation_with_its_codes(document: dict[str, Any], name: str) -> None:
    assert document["channels"][name]["address"] == OPERATIONS[name].subject.replace("*", "{durable}")
    refusal = document["components"]["messages"][f"{name}Refused"]
    codes = refusal["payload"]["properties"]["error"]["properties"]["code"]["enum"]
    assert set(codes) == set(OPERATIONS[name].codes)
    numbers = refusal["headers"]["properties"][headers.SERVICE_ERROR_CODE]["enum"]
    assert set(numbers) == {str(errors.BY_CODE[code].number) for code in codes}


def test_optional_field_of_an_update_has_no_default_null(document: dict[str, Any]) -> None:
    # Absent stays, null removes: a generator that writes `default: null` has its readers delete profiles.
    update = document["components"]["schemas"]["UpdateUser"]
    assert all("default" not in field for field in update["properties"].values())

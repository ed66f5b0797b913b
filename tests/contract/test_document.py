"""The contract document: valid AsyncAPI, and as complete as the table of operations."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from denizen import errors, headers
from denizen import messages as m
from denizen.operations import OPERATIONS, Operation
from jsonschema import Draft7Validator, FormatChecker
from jsonschema.validators import validator_for
from nacl.bindings import crypto_box
from nacl.public import PrivateKey

from services.endpoint import contract
from services.endpoint.contract.body_schemas import ABSENT
from services.tokens.sealing import opened
from tests.support.servers import REPOSITORY

Json = dict[str, Any]
HERE = Path(__file__).parent
MESSAGES = list(contract.document()["components"]["messages"])


@pytest.fixture(scope="module")
def document() -> Json:
    return contract.document()


def test_document_is_valid_asyncapi(document: Json) -> None:
    # The specification's own schema, as the package @asyncapi/specs 6.11.1 ships it (Apache-2.0), white space removed.
    schema = json.loads((HERE / "asyncapi-3.0.0.schema.json").read_text("utf-8"))
    faults = validator_for(schema)(schema).iter_errors(document)
    assert [f"{fault.json_path}: {fault.message}" for fault in faults] == []


def test_document_has_no_dead_reference(document: Json) -> None:
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_committed_document_is_current() -> None:
    committed = HERE.parent.parent / "contracts" / "asyncapi.json"
    assert committed.read_text("utf-8") == contract.text(), "run `make contract`"


@pytest.mark.parametrize("name", OPERATIONS)
def test_document_shows_each_operation_with_its_codes(document: Json, name: str) -> None:
    assert document["channels"][name]["address"] == OPERATIONS[name].subject.replace("*", "{durable}")
    ends = [_resolved(document, end) for end in document["operations"][name]["reply"]["messages"]]
    assert {end["x-code"] for end in ends if "x-code" in end} == set(OPERATIONS[name].codes)
    assert len([end for end in ends if "x-code" not in end]) == 1


def test_optional_field_of_an_update_has_no_default_null(document: Json) -> None:
    # Absent stays, null removes: a generator that writes `default: null` has its readers delete profiles.
    update = document["components"]["schemas"]["UpdateUser"]
    assert all("default" not in field for field in update["properties"].values())


def test_every_object_and_enumeration_in_a_schema_is_a_reference(document: Json) -> None:
    inline = [
        f"{name}: {part}"
        for name, schema in document["components"]["schemas"].items()
        for part in _parts(schema)
        if part is not schema and ("enum" in part or "properties" in part or part.get("additionalProperties"))
    ]
    assert inline == []


def test_every_message_has_an_example(document: Json) -> None:
    assert [name for name, message in document["components"]["messages"].items() if not message["examples"]] == []


@pytest.mark.parametrize("name", MESSAGES)
def test_example_is_what_the_schema_says(document: Json, name: str) -> None:
    message = document["components"]["messages"][name]
    for example in message["examples"]:
        for part in ("headers", "payload"):
            schema = {"$ref": message[part]["$ref"], "components": document["components"]}
            faults = Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(example[part])
            assert [f"{fault.json_path}: {fault.message}" for fault in faults] == []


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_examples_of_an_operation_are_what_its_models_take(document: Json, operation: Operation) -> None:
    messages = document["components"]["messages"]
    operation.request.model_validate(messages[operation.id]["examples"][0]["payload"])
    answer = messages[contract.reply_name(operation)]["examples"][0]["payload"]
    if operation.reply is not m.ExportPiece:
        operation.reply.model_validate(answer)


@pytest.mark.parametrize("name", get_args(m.EventType))
def test_example_of_an_event_is_what_its_model_takes(document: Json, name: str) -> None:
    m.EventData.model_validate(document["components"]["messages"][name]["examples"][0]["payload"])


@pytest.mark.parametrize("code", errors.BY_CODE)
def test_example_of_an_error_raises_its_exception(document: Json, code: str) -> None:
    example = document["components"]["messages"][contract.error_name(code)]["examples"][0]
    m.ErrorReply.model_validate(example["payload"])
    raised = errors.from_body(example["payload"]["error"])
    assert type(raised) is errors.BY_CODE[code]
    assert example["headers"] == {headers.SERVICE_ERROR: raised.message, headers.SERVICE_ERROR_CODE: str(raised.number)}


def test_field_that_may_be_absent_has_a_default_in_its_model() -> None:
    for name, fields in ABSENT.items():
        model = getattr(m, name)
        assert fields == {each.alias for each in model.model_fields.values() if not each.is_required()} & fields
        model_fields = {each.alias for each in model.model_fields.values()}
        assert fields <= model_fields


def test_sealing_vector_opens_by_the_services_own_code(document: Json) -> None:
    vector = document["x-sealing"]["vectors"][0]
    private = PrivateKey(_octets(vector["privateKey"]))
    assert bytes(private.public_key) == _octets(vector["publicKey"])
    _, key_id, box = vector["sealed"].split(":")
    assert key_id == vector["keyId"]
    assert opened(private, box, vector["commandId"]) == vector["secret"]


def test_sealing_vector_is_reproduced_from_what_the_document_says(document: Json) -> None:
    vector = document["x-sealing"]["vectors"][0]
    ephemeral, public = PrivateKey(_octets(vector["ephemeralPrivateKey"])), _octets(vector["publicKey"])
    mine = bytes(ephemeral.public_key)
    nonce = hashlib.blake2b(mine + public, digest_size=24).digest()
    text = f"{vector['commandId']}\0{vector['secret']}".encode()
    box = mine + crypto_box(text, nonce, public, bytes(ephemeral))
    assert vector["sealed"] == f"sealed:{vector['keyId']}:{base64.urlsafe_b64encode(box).rstrip(b'=').decode()}"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_security_names_the_nats_users_that_may_ask(document: Json, operation: Operation) -> None:
    named = {each["$ref"].rpartition("/")[2] for each in document["operations"][operation.id]["security"]}
    assert named == {user for user, lines in _publish_rules().items() if _may(lines, operation)}


def _publish_rules() -> dict[str, tuple[list[str], list[str]]]:
    """What each kind of NATS user may publish, and may not, by deploy/nats."""
    rules: dict[str, tuple[list[str], list[str]]] = {}
    shared = (REPOSITORY / "deploy/nats/accounts.conf").read_text("utf-8")
    texts = {"operator": shared.partition("user: operator")[2].partition("# <<<")[0]}
    for kind in ("backend", "browser", "frontend", "subscriber", "verifier"):
        texts[kind] = (REPOSITORY / f"deploy/nats/permissions/{kind}.conf").read_text("utf-8")
    for kind, text in texts.items():
        publish = text.partition("publish")[2]
        denied = re.search(r"deny: \[(.*?)\]", publish, re.DOTALL)
        rules[kind] = (re.findall(r'"(users\.[^"]+)"', publish), re.findall(r'"([^"]+)"', denied[1]) if denied else [])
    return rules


def _may(rules: tuple[list[str], list[str]], operation: Operation) -> bool:
    allowed, denied = rules
    subject = operation.subject_of("<durable>") if operation.kind == "subscriber" else operation.subject
    return subject not in denied and any(fnmatchcase(subject, each) for each in allowed if each not in denied)


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=")


def _resolved(document: Json, node: Json) -> Json:
    while "$ref" in node:
        reference = node["$ref"].removeprefix("#/").split("/")
        node = document
        for part in reference:
            node = node[part]
    return node


def _parts(node: Any) -> Iterator[Json]:
    """Every schema in a schema."""
    if isinstance(node, dict):
        yield cast(Json, node)
        for each in cast(Json, node).values():
            yield from _parts(each)
    elif isinstance(node, list):
        for each in cast(list[Any], node):
            yield from _parts(each)

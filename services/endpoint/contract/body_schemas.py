"""The schemas of bodies, from the pydantic models: every enumeration and object has a name of its own, so that code
generators need not invent one.
"""

from collections.abc import Mapping
from typing import Any, cast, get_args, get_origin

from denizen import messages as m
from denizen.messages.base import Message
from denizen.operations import OPERATIONS
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import WithDefaultSchema

from services.domain.values import Json
from services.endpoint.contract.notes import notes

ABSENT: Mapping[str, frozenset[str]] = {
    "ErrorBody": frozenset({"field", "details"}),
    "EventData": frozenset({"sessionId", "reason"}),
    "ImportedRow": frozenset({"userId", "error", "notChanged", "changed"}),
    "OpaqueRegisterReply": frozenset({"user", "version", "position"}),
    "Profile": frozenset(to_camel(name) for name in m.Profile.model_fields),
    "RegisterReply": frozenset({"user", "version", "position"}),
    "UserList": frozenset({"truncated"}),
}
"""The fields of replies and events that may be absent. The services send every other field, null where it has no value.
The models have defaults for more fields, so that a client understands a service of an earlier version."""

_NULL: Json = {"type": "null"}
_FREE: Json = {"additionalProperties": True, "type": "object"}
"""What pydantic makes of `Metadata`."""


class _Schemas(GenerateJsonSchema):
    """Pydantic's schemas without what would mislead: in an update an absent field stays, whereas a null removes it."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(schema.get("default"), str | int):
            return super().default_schema(schema)
        return self.generate_inner(schema["schema"])


def schemas() -> Json:
    """The schema of each body and of each object in one, by name."""
    requests: set[type[Message]] = {operation.request for operation in OPERATIONS.values()}
    requests.add(m.ImportedUser)
    replies: set[type[Message]] = {operation.reply for operation in OPERATIONS.values()}
    replies |= {m.ErrorReply, m.EventData}
    models = [(model, "validation") for model in requests] + [(model, "serialization") for model in replies]
    models.sort(key=lambda pair: pair[0].__name__)
    template = "#/components/schemas/{model}"
    _, schema = models_json_schema(models, ref_template=template, schema_generator=_Schemas)  # pyright: ignore[reportArgumentType]
    found: Json = {name: _noted(name, each) for name, each in schema["$defs"].items()}
    in_requests = _reached(found, [each.__name__ for each in requests])
    for name, each in found.items():
        if name not in in_requests and each.get("properties"):
            _always_sent(each, ABSENT.get(name, frozenset()))
    names = _literals()
    named: Json = {name: _named(each, names) for name, each in found.items()}
    named |= {name: {"title": name, "type": "string", "enum": list(values)} for values, name in names.items()}
    named["Metadata"] = {"title": "Metadata", "description": "Free JSON, at most 16 KiB, 8 levels deep."} | _FREE
    _amend(named)
    return named


def _always_sent(schema: Json, absent: frozenset[str]) -> None:
    """Of a reply: the fields that may be absent are never null, and the others are always there."""
    fields: Json = schema["properties"]
    for name in absent:
        if "anyOf" in fields[name]:
            rest = {key: value for key, value in fields[name].items() if key != "anyOf"}
            (value,) = (each for each in fields[name]["anyOf"] if each != _NULL)
            fields[name] = value if "$ref" in value else value | rest
    if always := [name for name in fields if name not in absent]:
        schema["required"] = always


def _amend(schemas: Json) -> None:
    """What the models cannot say."""
    schemas["ImportUsers"]["properties"]["users"]["items"] = {"$ref": "#/components/schemas/ImportedUser"}
    schemas["ExportPiece"] = {
        "title": "ExportPiece",
        "type": "string",
        "format": "binary",
        "description": schemas["ExportPiece"]["description"],
    }


def _noted(name: str, schema: Json) -> Json:
    """With the docstrings of its fields. Beside a reference there can be none (JSON Schema draft 7)."""
    said = {to_camel(field): text for field, text in notes(getattr(m, name)).items()}
    for field, each in schema.get("properties", {}).items():
        if field in said and "$ref" not in each:
            each["description"] = " ".join(said[field].split())
    return schema


def _reached(schemas: Json, names: list[str]) -> set[str]:
    """The schemas that are in these, or are in those that are in them."""
    reached: set[str] = set()
    while names:
        name = names.pop()
        if name not in reached:
            reached.add(name)
            names += [part.partition('"')[0] for part in str(schemas[name]).replace("'", '"').split("schemas/")[1:]]
    return reached


def _literals() -> dict[tuple[str, ...], str]:
    """The names of the enumerations of the contract, by their values."""
    return {
        get_args(value): name for name, value in sorted(vars(m).items()) if str(get_origin(value)) == "typing.Literal"
    }


def _named(node: Any, names: Mapping[tuple[str, ...], str]) -> Any:
    """The schema with references in the place of enumerations, free JSON, and what draft 7 does not know."""
    if isinstance(node, list):
        return [_named(each, names) for each in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    schema = cast(Json, node)
    if "enum" in schema:
        reference: Json = {"$ref": f"#/components/schemas/{names[tuple(schema['enum'])]}"}
        return reference | ({"default": schema["default"]} if "default" in schema else {})
    if _FREE.items() <= schema.items() and schema.keys() <= {*_FREE, "description"}:
        return {"$ref": "#/components/schemas/Metadata"}
    if pair := schema.get("prefixItems"):
        schema = {key: value for key, value in schema.items() if key != "prefixItems"} | {"items": pair[0]}
    if _NULL in schema.get("anyOf", ()):
        return _named(_nullable(schema), names)
    return {key: _named(value, names) for key, value in schema.items()}


def _nullable(schema: Json) -> Json:
    """A value or null, without a union, for which generators need a name: `"type": ["string", "null"]`.

    Of an object or an enumeration only the value is said. The services take null for it all the same, as if the field
    were absent.
    """
    (value,) = (each for each in schema["anyOf"] if each != _NULL)
    rest = {key: each for key, each in schema.items() if key != "anyOf"}
    if "$ref" in value or "enum" in value:
        return value
    return value | rest | {"type": [value["type"], "null"]}

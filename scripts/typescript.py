"""Writes contracts/typescript/src/generated/ from the contract: the types of bodies, events and headers, one class for
each error, and the table of operations. The TypeScript client is written on top of it.

    python -m scripts.typescript [--check]

With `--check` nothing is written, and the exit code is 1 where a file is not what the contract says.
"""

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, get_args

from denizen import errors
from denizen import headers as h
from denizen import messages as m
from denizen.errors import DenizenError
from denizen.operations import OPERATIONS, Kind, Operation
from pydantic.alias_generators import to_camel

from services.endpoint.contract import body_schemas
from services.endpoint.contract.header_schemas import request_headers
from services.endpoint.contract.notes import notes

ROOT = Path(__file__).parent.parent
DIRECTORY = ROOT / "contracts" / "typescript" / "src" / "generated"
_MADE = "// Made by `make contract` from contracts/denizen. Change the Python side instead.\n"
_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

Json = Mapping[str, Any]


def main() -> int:
    """Returns the exit code."""
    wanted = {DIRECTORY / f"{name}.ts": text for name, text in files().items()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    stale += [path for path in DIRECTORY.glob("*") if path not in wanted]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make contract` and commit it", file=sys.stderr)
        return 1 if stale else 0
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for path in stale:
        if path in wanted:
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
    return 0


def files() -> dict[str, str]:
    """The text of each file, by its name without the ending."""
    made = {"errors": _errors(), "headers": _headers(), "messages": _messages(), "operations": _operations()}
    texts = {name: "\n".join([_MADE, *lines]).rstrip() + "\n" for name, lines in made.items()}
    return texts | {"index": _MADE + "\n" + "".join(f'export * from "./{name}.js";\n' for name in sorted(texts))}


# --- bodies ---------------------------------------------------------------------------------------------------------


def _messages() -> Iterator[str]:
    for name, schema in body_schemas.schemas().items():
        if name == "ExportPiece":
            continue  # The octets of a file.
        yield from _doc(schema.get("description"))
        if "enum" in schema:
            yield f"export type {name} = {' | '.join(map(_text, schema['enum']))};"
            yield f"export const {_constant(name)} = {json.dumps(schema['enum'])} as const;"
        elif "properties" not in schema and schema.get("additionalProperties") is True:
            yield f"export type {name} = {{ [key: string]: unknown }};"
        elif not schema.get("properties"):
            yield f"export type {name} = Record<string, never>;"
        else:
            yield f"export interface {name} {{"
            yield from _fields(name, schema)
            yield "}"
        yield ""


def _fields(name: str, schema: Json) -> Iterator[str]:
    said = {to_camel(field): text for field, text in notes(getattr(m, name)).items()}
    required = schema.get("required", ())
    for field, each in schema["properties"].items():
        yield from _doc(said.get(field), "  ")
        yield f"  {field}{'' if field in required else '?'}: {_type(each)};"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_SCALARS[each] for each in cast(list[str], kind))
    if kind == "array":
        items: Json = schema["items"]
        if schema.get("maxItems") == schema.get("minItems") == 2:
            return f"[{_type(items)}, {_type(items)}]"
        return f"{_type(items)}[]" if " " not in _type(items) else f"({_type(items)})[]"
    return "unknown" if kind is None else _SCALARS[kind]


# --- errors ---------------------------------------------------------------------------------------------------------


def _errors() -> Iterator[str]:
    codes = sorted(errors.BY_CODE)
    yield "/** The codes that a service answers with. */"
    yield f"export type ErrorCode = {' | '.join(map(_text, codes))};"
    yield ""
    yield from _doc(inspect.getdoc(DenizenError))
    yield "export class DenizenError extends Error {"
    yield '  static readonly code: string = "";'
    yield "  static readonly number: number = 500;"
    yield "  readonly code: string;"
    yield "  readonly number: number;"
    yield "  readonly field: string | undefined;"
    yield "  readonly details: readonly unknown[];"
    yield ""
    yield "  constructor(message: string, more: ErrorDetails = {}) {"
    yield "    super(message, more.cause === undefined ? undefined : { cause: more.cause });"
    yield "    this.name = new.target.name;"
    yield "    this.code = more.code ?? new.target.code;"
    yield "    this.number = new.target.number;"
    yield "    this.field = more.field;"
    yield "    this.details = more.details ?? [];"
    yield "  }"
    yield "}"
    yield ""
    yield "/** What an error says besides its message. `code`: only of one that this version does not know. */"
    yield "export interface ErrorDetails {"
    yield "  field?: string | undefined;"
    yield "  details?: readonly unknown[] | undefined;"
    yield "  code?: string | undefined;"
    yield "  cause?: unknown;"
    yield "}"
    yield ""
    for kind in _below(DenizenError):
        yield from _error_class(kind)
    yield "type ErrorClass = new (message: string, more?: ErrorDetails) => DenizenError;"
    yield ""
    yield "/** The class of each code of the contract. */"
    yield "export const ERRORS: Readonly<Record<ErrorCode, ErrorClass>> = {"
    yield from (f"  {code}: {errors.BY_CODE[code].__name__}," for code in codes)
    yield "};"


def _below(kind: type[DenizenError]) -> Iterator[type[DenizenError]]:
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from _below(each)


def _error_class(kind: type[DenizenError]) -> Iterator[str]:
    base = kind.__bases__[0].__name__
    yield from _doc(inspect.getdoc(kind))
    yield f"export class {kind.__name__} extends {base} {{"
    for name, wider in (("code", "string"), ("number", "number")):  # Not the value's own type: a subclass has another.
        if name in vars(kind):
            yield f"  static override readonly {name}: {wider} = {_text(vars(kind)[name])};"
    yield from ("}", "")


# --- headers and operations -----------------------------------------------------------------------------------------


def _headers() -> Iterator[str]:
    said = _constants()
    for name, value in vars(h).items():
        if name.isupper() and isinstance(value, str):
            yield from _doc(said.get(name))
            yield f"export const {name} = {_text(value)};"


def _constants() -> dict[str, str]:
    lines = inspect.getsource(h).splitlines()
    return {
        line.partition(" = ")[0]: note.strip('"')
        for line, note in pairwise(lines)
        if " = " in line and note.startswith('"""')
    }


def _operations() -> Iterator[str]:
    used = sorted({each.__name__ for operation in OPERATIONS.values() for each in (operation.request, operation.reply)})
    yield f'import type {{ {", ".join(name for name in used if name != "ExportPiece")} }} from "./messages.js";'
    yield 'import type { ErrorCode } from "./errors.js";'
    yield ""
    yield "/** The body and the reply of each operation, by its id. A piece of an export is octets. */"
    yield "export interface Operations {"
    for operation in OPERATIONS.values():
        reply = "Uint8Array" if operation.reply is m.ExportPiece else operation.reply.__name__
        yield from _doc(operation.summary, "  ")
        yield f"  {operation.id}: {{ request: {operation.request.__name__}; reply: {reply} }};"
    yield "}"
    yield ""
    yield "export type OperationId = keyof Operations;"
    yield f"export type OperationKind = {' | '.join(map(_text, get_args(Kind)))};"
    yield ""
    yield "export interface Operation {"
    for field, kind, text in _COLUMNS:
        yield from _doc(text, "  ")
        yield f"  readonly {field}: {kind};"
    yield "}"
    yield ""
    yield "/** Every operation, by id. */"
    yield "export const OPERATIONS: Readonly<Record<OperationId, Operation>> = {"
    for operation in OPERATIONS.values():
        yield f"  {operation.id}: {{"
        yield from (f"    {name}: {_text(value)}," for name, value in _row(operation).items())
        yield "  },"
    yield "};"


_COLUMNS = (
    ("name", "string", "As in the subject."),
    (
        "kind",
        "OperationKind",
        "Who asks: a back end (`command`, `query`), a front end (`public`, `self`), a subscriber.",
    ),
    ("subject", "string", "Of a subscriber's operation, `*` stands for its durable."),
    ("reads", "boolean", "It changes nothing, and so may be repeated without a command id."),
    ("takesCommandId", "boolean", "A repeat with the same `Nats-Msg-Id` is done once, and gets the first reply."),
    ("takesMinPosition", "boolean", "Its reply shows at least what `Denizen-Min-Position` names."),
    ("fields", "readonly string[]", "The fields of the body."),
    ("secrets", "readonly string[]", "The fields of the body that are sealed before they are sent."),
    ("codes", "readonly ErrorCode[]", "The codes of its errors."),
    ("octets", "number", "The size of the largest body."),
)


def _row(operation: Operation) -> dict[str, Any]:
    takes = request_headers(operation)["properties"]
    return {
        "name": operation.name,
        "kind": operation.kind,
        "subject": operation.subject,
        "reads": operation.reads,
        "takesCommandId": h.COMMAND_ID in takes,
        "takesMinPosition": h.MIN_POSITION in takes,
        "fields": [field.alias or name for name, field in operation.request.model_fields.items()],
        "secrets": sorted(operation.request.secrets()) if h.COMMAND_ID in takes else [],
        "codes": sorted(set(operation.codes)),
        "octets": operation.octets,
    }


# --- text -----------------------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _constant(name: str) -> str:
    """`EventType` as `EVENT_TYPES`."""
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in name).strip("_").upper()
    return words + ("ES" if words.endswith("S") else "S")


def _doc(text: str | None, indent: str = "") -> Iterator[str]:
    if not text:
        return
    lines = text.strip().replace("*/", "*\\/").splitlines()
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
        return
    yield f"{indent}/**"
    yield from (f"{indent} * {line.strip()}".rstrip() for line in lines)
    yield f"{indent} */"


if __name__ == "__main__":
    sys.exit(main())

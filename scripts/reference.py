"""Writes docs/reference/ from the code (operations, messages, events, error codes, settings, the command line), and the
index of docs/decisions/ from its pages.

    python -m scripts.reference [--check]

With `--check` nothing is written, and the exit code is 1 where a page is not what the code says.
"""

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

import typer
from denizen import errors
from denizen import messages as m
from denizen.operations import ALWAYS, OPERATIONS, Operation
from pydantic.alias_generators import to_camel
from typer.core import TyperArgument, TyperGroup, TyperOption

from services import cli
from services.domain.events import TYPES
from services.endpoint.contract import body_schemas
from services.endpoint.contract.header_schemas import EVENT_HEADERS, request_headers
from services.endpoint.contract.notes import notes
from services.platform import settings

ROOT = Path(__file__).parent.parent
DIRECTORY = ROOT / "docs" / "reference"
DECISIONS = ROOT / "docs" / "decisions"
_MADE = "<!-- Made by `make reference`. Change the code instead. -->"
_KINDS: Mapping[str, str] = {
    "command": "Commands of trusted back ends",
    "query": "Queries of trusted back ends",
    "public": "Commands of a front end, for a person who is not signed in",
    "self": "Requests of a front end, for a signed-in user",
    "subscriber": "Requests of a service that follows the events, for its durable (`*`)",
}

Json = Mapping[str, Any]


def main() -> int:
    """Returns the exit code."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make reference` and commit it", file=sys.stderr)
        return 1 if stale else 0
    for path, text in pages().items():
        path.write_text(text, "utf-8")
    return 0


def pages() -> dict[Path, str]:
    """The text of each page."""
    schemas = _schemas()
    made = {
        "operations": ("Operations", _operations(schemas)),
        "messages": ("Messages", _messages(schemas)),
        "events": ("Events", _events(schemas)),
        "errors": ("Error codes", _errors()),
        "settings": ("Settings", _settings()),
        "command-line": ("Command line", _command_line()),
    }
    texts = {DIRECTORY / f"{name}.md": _page(title, lines) for name, (title, lines) in made.items()}
    return {**texts, DECISIONS / "README.md": _page("Decisions", _decisions())}


@cache
def _schemas() -> Json:
    return body_schemas.schemas()


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", _MADE, "", *lines]).rstrip() + "\n"


def _decisions() -> Iterator[str]:
    yield "Each page is one decision: its context, what was decided, what follows from it, and the test that holds it."
    yield "A later decision may change an earlier one; both pages then say so. A new page takes the next number."
    yield ""
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        heading = path.read_text("utf-8").partition("\n")[0]
        yield f"- [{heading.removeprefix('# ')}]({path.name})"


def _operations(schemas: Json) -> Iterator[str]:
    yield "Each operation is a NATS request on its subject, with a JSON body. [Messages](messages.md) has the replies"
    yield "and the objects in them, [error codes](errors.md) the errors. Every operation can also answer with"
    yield ", ".join(f"`{code}`" for code in ALWAYS) + "."
    for kind, title in _KINDS.items():
        yield from ("", f"## {title}")
        for operation in OPERATIONS.values():
            if operation.kind == kind:
                yield from _operation(operation, schemas)


def _operation(operation: Operation, schemas: Json) -> Iterator[str]:
    yield from ("", f"### {operation.id}", "", operation.summary, "", f"- Subject: `{operation.subject}`")
    yield f"- Reply: {_link(operation.reply.__name__)}"
    if operation.refusals:
        yield "- Errors: " + ", ".join(f"`{code}`" for code in sorted(set(operation.refusals)))
    headers = [name for name in request_headers(operation)["properties"] if name != "traceparent"]
    yield "- Headers: " + ", ".join(f"`{name}`" for name in headers)
    schema = schemas[operation.request.__name__]
    if note := schema.get("description"):
        yield from ("", " ".join(note.split()))
    yield from _fields(operation.request.__name__, schema)


def _messages(schemas: Json) -> Iterator[str]:
    yield "Bodies of replies, and the objects in requests and replies. Times are RFC 3339 in UTC."
    requests = {operation.request.__name__ for operation in OPERATIONS.values()}
    for name, schema in schemas.items():
        if name not in requests and not _is_plain(schema):
            yield from ("", f"## {name}")
            if note := schema.get("description"):
                yield from ("", " ".join(note.split()))
            yield from _fields(name, schema)


def _events(schemas: Json) -> Iterator[str]:
    yield "Each event is a CloudEvent 1.0 in binary mode on the JetStream stream `USERS_EVENTS`, with the subject"
    yield "`users.v1.event.<type>.<userId>`. It never holds an address, a name, metadata or a secret: ask a query for"
    yield "those, with the event's `ce-sequence` as `Denizen-Min-Position`."
    yield from ("", "## Types", "", "| type | meaning |", "|---|---|")
    for name in get_args(m.EventType):
        yield f"| `{name}` | {_cell((inspect.getdoc(TYPES[name]) or '').partition(chr(10) * 2)[0])} |"
    yield from ("", "## Headers", "", "| header | meaning |", "|---|---|", "| `ce-type` | `users.v1.<type>` |")
    for name, header in EVENT_HEADERS.items():
        yield f"| `{name}` | {_cell(header.get('description') or header.get('const') or '')} |"
    yield from ("", "## Body", *_fields("EventData", schemas["EventData"]))


def _errors() -> Iterator[str]:
    yield 'A refusal is `{"error": {"code", "message", "field"?, "details"?}}`, with the number in the header'
    yield "`Nats-Service-Error-Code`. The clients raise the exception."
    yield from ("", "| code | number | exception | meaning | operations |", "|---|---|---|---|---|")
    for code, error in sorted(errors.BY_CODE.items(), key=lambda pair: (pair[1].number, pair[0])):
        users = [operation.id for operation in OPERATIONS.values() if code in operation.refusals]
        where = "all" if code in ALWAYS else ", ".join(users) or "none"
        yield f"| `{code}` | {error.number} | `denizen.{error.__name__}` | {_cell(error.__doc__ or '')} | {where} |"


def _settings() -> Iterator[str]:
    yield "Settings are environment variables. An empty one is as good as none."
    yield from ("", "| variable | default | meaning |", "|---|---|---|")
    said = notes(settings.Settings)
    for name, field in settings.Settings.model_fields.items():
        if name not in said:
            raise ValueError(f"the setting {name} has no docstring")
        yield _setting(name, field.default, said[name])


def _setting(name: str, default: object, text: str) -> str:
    shown = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    return f"| `DENIZEN_{name.upper()}` | {shown} | {_cell(text)} |"


def _command_line() -> Iterator[str]:
    yield "Exit codes: 0 the command succeeded, 1 it was refused or found a fault, 2 it was used wrongly."
    root = typer.main.get_command(cli.app)
    yield from _commands(root, "denizen")


def _commands(command: Any, path: str) -> Iterator[str]:
    """`command`: of the click that typer brings along, which has no types."""
    context = typer.Context(command)
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            yield from _commands(command.get_command(context, name), f"{path} {name}")
        return
    usage = " ".join([path, *(_argument(param) for param in command.params if isinstance(param, TyperArgument))])
    yield from ("", f"## {path}", "", f"`{usage}`", "", " ".join((command.help or "").split()))
    shown = (param for param in command.params if isinstance(param, TyperOption) and not param.is_eager)
    options = [_option(param) for param in shown]
    if options:
        yield from ("", "| option | meaning |", "|---|---|", *options)


def _argument(argument: TyperArgument) -> str:
    name = (argument.metavar or argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def _option(option: TyperOption) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return f"| {names} | {_cell(option.help or '')} |"


def _fields(of: str, schema: Json) -> Iterator[str]:
    """The fields of a schema, with the docstrings that they have in the message class `of`."""
    properties: Json = schema.get("properties", {})
    if not properties:
        yield from ("", "No fields.")
        return
    required = set(schema.get("required", ()))
    said = {to_camel(name): text for name, text in notes(getattr(m, of, m.Message)).items()}
    columns = ["field", "type", "meaning"] if said.keys() & properties.keys() else ["field", "type"]
    yield from ("", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}")
    for name, field in properties.items():
        star = "" if name in required else " (optional)"
        cells = [f"`{name}`{star}", _type(field), _cell(said.get(name, ""))]
        yield f"| {' | '.join(cells[: len(columns)])} |"


def _is_plain(schema: Json) -> bool:
    """Whether a page shows it where it is used: an enumeration, or free JSON."""
    return "enum" in schema or schema.get("additionalProperties") is True


def _type(field: Json) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return _type(_schemas()[name]) if _is_plain(_schemas()[name]) else _link(name)
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if isinstance(kinds := field.get("type"), list):
        named = cast(list[str], kinds)
        return " or ".join(_type({**field, "type": kind} if kind != "null" else {"type": kind}) for kind in named)
    if values := field.get("enum", [field["const"]] if "const" in field else ()):
        return ", ".join(f"`{value}`" for value in values)
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return " ".join([field.get("type", "any"), *_bounds(field)])


def _bounds(field: Json) -> Iterable[str]:
    if "format" in field:
        yield f"({field['format']})"
    least, most = field.get("minLength", field.get("minimum")), field.get("maxLength", field.get("maximum"))
    if least is not None and most is not None:
        yield f"{least} to {most}"
    elif most is not None:
        yield f"up to {most}"
    elif least is not None:
        yield f"from {least}"


def _link(name: str) -> str:
    return f"[{name}](messages.md#{name.lower()})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())

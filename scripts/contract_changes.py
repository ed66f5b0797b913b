"""Which differences between two contract documents break a client.

A request that was accepted must still be accepted, and what we send must still be what its readers expect. So a
request's schema may only widen, and a reply's, an event's or a refusal's may only narrow; a field never goes away.
"""

from collections.abc import Iterator
from typing import Any, cast

Json = dict[str, Any]

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def breaking(old: Json, new: Json) -> list[str]:
    """What in `new` breaks those who rely on `old`, one line each; empty where nothing does."""
    return list(_breaking(old, new))


def _breaking(old: Json, new: Json) -> Iterator[str]:
    for name, operation in old["operations"].items():
        successor = new["operations"].get(name)
        if successor is None:
            yield f"{name}: removed"
            continue
        was, now = _channel(old, operation), _channel(new, successor)
        if was["address"] != now["address"]:
            yield f"{name}: moved from {was['address']} to {now['address']}"
        if operation["action"] == "send":
            yield from _sent(f"{name} event", old, _message(old, was, "event"), new, _message(new, now, "event"))
        else:
            yield from _request(name, old, _message(old, was, "request"), new, _message(new, now, "request"))
            yield from _replies(name, old, operation, new, successor)


def _request(name: str, old: Json, was: Json, new: Json, now: Json) -> Iterator[str]:
    # A header that the contract did not name could be sent before, and it is text like every header.
    known = _resolve(new, now.get("headers", {})).get("properties", {})
    unnamed: Json = {key: {"type": "string"} for key in known}
    headers = _resolve(old, was.get("headers", {}))
    headers = headers | {"properties": unnamed | headers.get("properties", {})} if headers else headers
    yield from _Widening(old, new).faults(headers, now.get("headers", {}), f"{name} request headers")
    yield from _Widening(old, new).faults(was.get("payload", {}), now.get("payload", {}), f"{name} request payload")


def _sent(where: str, old: Json, was: Json, new: Json, now: Json) -> Iterator[str]:
    for part in ("headers", "payload"):
        yield from _Widening(new, old).faults(now.get(part, {}), was.get(part, {}), f"{where} {part}")


def _replies(name: str, old: Json, operation: Json, new: Json, successor: Json) -> Iterator[str]:
    was, codes = _ends(name, old, operation)
    now, known = _ends(name, new, successor)
    for code in sorted(codes - known):
        yield f"{name}: code {code} removed"
    if len(was) == len(now) == 1:  # Names of messages are the document's own: it is the same answer.
        now = dict(zip(was, now.values(), strict=True))
    for kind, message in was.items():
        if kind not in now:
            yield f"{name}: no longer answers with {kind}"
        else:
            yield from _sent(f"{name} reply", old, message, new, now[kind])


def _ends(name: str, root: Json, operation: Json) -> tuple[dict[str, Json], set[str]]:
    """The replies of an operation, by their names, and the codes of its errors.

    Until 0.1.0 all errors of an operation were one message.
    """
    messages = [_resolve(root, reference) for reference in operation["reply"]["messages"]]
    replies = {each["name"]: each for each in messages if "x-code" not in each}
    codes = {each["x-code"] for each in messages if "x-code" in each}
    if refused := replies.pop(f"{name}Refused", None):
        codes |= set(refused["payload"]["properties"]["error"]["properties"]["code"]["enum"])
    return replies, codes


def _channel(root: Json, operation: Json) -> Json:
    return _resolve(root, operation["channel"])


def _message(root: Json, channel: Json, name: str) -> Json:
    return _resolve(root, channel["messages"][name])


def _resolve(root: Json, node: Json) -> Json:
    while "$ref" in node:
        found: Any = root
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = cast(Json, found)
    return node


class _Widening:
    """Compares two schemas: does the wider one accept all that the narrower one accepts?"""

    def __init__(self, narrower: Json, wider: Json) -> None:
        """Takes the documents in which references of either side are looked up."""
        self._narrower = narrower
        self._wider = wider

    def faults(self, narrow: Json, wide: Json, where: str) -> Iterator[str]:
        """What `narrow` accepts and `wide` does not, one line each."""
        narrow, wide = _alternatives(_resolve(self._narrower, narrow)), _alternatives(_resolve(self._wider, wide))
        if "anyOf" in narrow:
            for alternative in narrow["anyOf"]:
                yield from self.faults(alternative, wide, where)
        elif "anyOf" in wide:
            tries = [list(self.faults(narrow, alternative, where)) for alternative in wide["anyOf"]]
            yield from min(tries, key=len)
        elif narrow.get("type") != wide.get("type") and not _wider_type(narrow.get("type"), wide.get("type")):
            yield f"{where}: type {narrow.get('type', 'any')} against {wide.get('type', 'any')}"
        else:
            yield from self._values(narrow, wide, where)
            yield from self._fields(narrow, wide, where)
            if "items" in wide:
                yield from self.faults(narrow.get("items", {}), wide["items"], f"{where}[]")

    def _values(self, narrow: Json, wide: Json, where: str) -> Iterator[str]:
        if (allowed := _values(wide)) is not None:
            values = _values(narrow)
            for value in ["any value"] if values is None else sorted(values - allowed):
                yield f"{where}: {value} against {', '.join(sorted(allowed))}"
        for bound in _LOWER:
            if bound in wide and narrow.get(bound, float("-inf")) < wide[bound]:
                yield f"{where}: {bound} {narrow.get(bound, 'none')} against {wide[bound]}"
        for bound in _UPPER:
            if bound in wide and narrow.get(bound, float("inf")) > wide[bound]:
                yield f"{where}: {bound} {narrow.get(bound, 'none')} against {wide[bound]}"
        for form in ("pattern", "format"):
            if form in wide and narrow.get(form) != wide[form]:
                yield f"{where}: {form} {narrow.get(form, 'none')} against {wide[form]}"

    def _fields(self, narrow: Json, wide: Json, where: str) -> Iterator[str]:
        fields, others = narrow.get("properties", {}), wide.get("properties", {})
        for name in sorted(set(wide.get("required", ())) - set(narrow.get("required", ()))):
            yield f"{where}.{name}: required on one side only"
        for name, schema in fields.items():
            if name in others:
                yield from self.faults(schema, others[name], f"{where}.{name}")
            elif wide.get("additionalProperties") is False:
                yield f"{where}.{name}: removed"
        if narrow.get("additionalProperties") is not False:
            for name in others.keys() - fields.keys() - set(wide.get("required", ())):
                yield f"{where}.{name}: removed"


def _alternatives(schema: Json) -> Json:
    """`"type": ["string", "null"]` as a choice of two schemas."""
    if not isinstance(schema.get("type"), list):
        return schema
    # Only text has a length, and only a number has a minimum: each type keeps the bounds of all.
    return {"anyOf": [schema | {"type": each} if each != "null" else {"type": each} for each in schema["type"]]}


def _wider_type(narrow: str | None, wide: str | None) -> bool:
    return wide is None or (narrow, wide) == ("integer", "number")


def _values(schema: Json) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return {str(value) for value in schema["enum"]} if "enum" in schema else None

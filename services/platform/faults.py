"""Words faults of values for callers, because pydantic's messages are for programmers."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

Context = Mapping[str, Any]


def message(fault: ErrorDetails) -> str:
    """One sentence without its subject, which is the field: `must be text`. It never holds the value.

    `fault`: of `ValidationError.errors(include_input=False)`. Fields whose form is a pattern bring a sentence of their
    own (`denizen.messages.base.Otherwise`), and so do validators that raise ValueError.
    """
    kind = fault["type"]
    if kind == "form":
        return fault["msg"]
    if kind == "value_error":
        return fault["msg"].removeprefix("Value error, ")
    return _MESSAGES.get(kind, _other)(fault.get("ctx", {}))


def _other(_: Context) -> str:
    return "has a value that is not allowed here"


def _says(text: str) -> Callable[[Context], str]:
    return lambda _: text


def _at_least(context: Context) -> str:
    least = context["min_length"]
    if least == 1:
        return "must not be empty"
    return f"must have at least {least} {_unit(context)}"


def _at_most(context: Context) -> str:
    return f"must have at most {context['max_length']} {_unit(context)}"


def _unit(context: Context) -> str:
    """The unit that a length counts; pydantic calls a secret a value."""
    return "characters" if context.get("field_type", "Value") == "Value" else "entries"


_BOOLEAN, _NUMBER = _says("must be true or false"), _says("must be a whole number")
_TEXT, _OBJECT = _says("must be text"), _says("must be an object of names and values")
_MESSAGES: Mapping[str, Callable[[Context], str]] = {
    "missing": _says("is required"),
    "extra_forbidden": _says("is not a known field: leave it out, or check its spelling"),
    "string_type": _TEXT,
    "string_unicode": _says("must be text that UTF-8 can hold: it has half a surrogate pair"),
    "string_too_short": _at_least,
    "string_too_long": _at_most,
    "too_short": _at_least,
    "too_long": _at_most,
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_parsing_size": _NUMBER,
    "int_from_float": _NUMBER,
    "float_parsing": _says("must be a number"),
    "list_type": _says("must be a list"),
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "literal_error": lambda context: f"must be {context['expected']}",
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
    "less_than": lambda context: f"must be less than {context['lt']}",
}
"""By the type of pydantic's error."""

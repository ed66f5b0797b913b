"""How `--help` names the types of options and arguments: for people, not as Python does."""

from typing import Any

from typer.core import TyperArgument, TyperOption

_NAMES = {"int": "NUMBER", "float": "NUMBER", "str": "TEXT", "Path": "FILE"}


def name_types_for_people() -> None:
    """Make Typer, in this process, write `NUMBER` for `<int>`, `FILE` for `<path>`, and no type for a switch."""
    # Typer has no setting for it.
    TyperOption.display_type_rich = _type_of_option
    TyperArgument.display_type_rich = _type_of_argument


def _type_of_option(self: TyperOption, ctx: Any) -> str | None:
    if self.metavar is not None:
        return self.metavar
    if self.is_flag:
        return None
    if self.type_descriptor.is_choice:
        return self.display_type(ctx).strip("<>").replace("|", " | ")
    return _NAMES.get(self.bare_type(), self.bare_type().upper())


def _type_of_argument(self: TyperArgument, ctx: Any) -> str | None:  # noqa: ARG001 - Typer's signature
    return None  # An argument is named like its value.

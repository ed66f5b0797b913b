"""How `--help` is written for people: names of types that are not Python's, and whole paragraphs."""

from typing import Any

from typer.core import TyperArgument, TyperGroup, TyperOption

_NAMES = {"int": "NUMBER", "float": "NUMBER", "str": "TEXT", "Path": "FILE"}


def name_types_for_people() -> None:
    """Make Typer, in this process, write `NUMBER` for `<int>`, `FILE` for `<path>`, and no type for a switch."""
    # Typer has no setting for it.
    TyperOption.display_type_rich = _type_of_option
    TyperArgument.display_type_rich = _type_of_argument


def fill_paragraphs(command: Any) -> None:
    """Let the terminal's width alone break the lines of a command's help, and of the commands below it.

    Typer keeps the line breaks of a docstring, from its second paragraph on.
    """
    if command.help:
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in command.help.split("\n\n"))
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            fill_paragraphs(each)


def _type_of_option(self: TyperOption, ctx: Any) -> str | None:
    if self.metavar is not None:
        return self.metavar
    if self.is_flag:
        return None
    if self.type_descriptor.is_choice:
        return _choices(self, ctx)
    name = self.bare_type().removeprefix("list[").removesuffix("]")
    return _NAMES.get(name, name.upper())


def _type_of_argument(self: TyperArgument, ctx: Any) -> str | None:
    # Without choices an argument is named like its value.
    return _choices(self, ctx) if self.type_descriptor.is_choice else None


def _choices(parameter: TyperOption | TyperArgument, ctx: Any) -> str:
    return parameter.display_type(ctx).strip("<>").replace("|", " | ")

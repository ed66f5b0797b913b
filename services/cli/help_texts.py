"""How `--help` is written for people: names of types and arguments that are not Python's, and whole paragraphs."""

from typing import Any

from typer._completion_classes import ZshComplete
from typer.core import TyperArgument, TyperGroup, TyperOption

_NAMES = {"int": "NUMBER", "float": "NUMBER", "str": "TEXT", "Path": "FILE"}


def name_types_for_people() -> None:
    """Make Typer, in this process, write `NUMBER` for `<int>`, `FILE` for `<path>`, and no type for a switch."""
    # Typer has no setting for it.
    TyperOption.display_type_rich = _type_of_option
    TyperArgument.display_type_rich = _type_of_argument
    TyperArgument._usage_display_name = _in_usage  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def keep_apostrophes_in_zsh() -> None:
    """Make Typer, in this process, quote an apostrophe in the help of a completion as zsh reads it.

    Typer doubles it, and zsh drops two quotes in a row: "a users address".
    """
    written = ZshComplete.format_completion

    def with_apostrophes(self: ZshComplete, item: Any) -> str:
        return written(self, item).replace("''", r"'\''")

    ZshComplete.format_completion = with_apostrophes


def write_for_people(command: Any) -> None:
    """Write arguments of a command and of those below it as `USER_ID`, and let the terminal alone break lines of help.

    Typer writes `{user_id}`, and keeps the line breaks of a docstring, from its second paragraph on.
    """
    for each in command.params:
        if isinstance(each, TyperArgument) and each.metavar is None:
            each.metavar = each.name.upper()
    if command.help:
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in command.help.split("\n\n"))
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            write_for_people(each)


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


def _in_usage(self: TyperArgument) -> str:
    """`USER_ID`, or `[USER_ID]` where it may be left out. Typer writes the first as `{USER_ID}`."""
    name = self.display_name_raw if self.required else f"[{self.display_name_raw}]"
    return name if self.nargs == 1 else f"{name}..."


def _choices(parameter: TyperOption | TyperArgument, ctx: Any) -> str:
    return parameter.display_type(ctx).strip("<>").replace("|", " | ")

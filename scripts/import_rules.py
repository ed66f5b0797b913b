"""Kinds of import rules for import-linter: modules may import only what is listed; folders say what they import."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

_SENTENCE = re.compile(r"^Imports (?=`|no |every )[^.]*(?:\.\w[^.]*)*\.", re.MULTILINE)
_NAME = re.compile(r"`([\w.]+)`")


class OnlyContract(Contract):
    """`modules` may import one another and `allowed`: packages of ours, and other libraries by their first name."""

    type_name = "only"
    modules = fields.ListField(subfield=fields.StringField())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - as Contract has it
        """Whether no module of a listed package imports another thing directly."""
        ours, allowed = cast(list[str], self.modules), cast(set[str], self.allowed)
        faults = [
            f"{importer} imports {imported}"
            for package in ours
            for importer in sorted({package, *graph.find_descendants(package)})
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not any(imported == name or imported.startswith(f"{name}.") for name in (*ours, *allowed))
        ]
        return ContractCheck(kept=not faults, metadata={"faults": faults})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say which imports are not allowed."""
        metadata: dict[str, Any] = check.metadata
        for fault in metadata["faults"]:
            output.print_error(fault)


class SentenceContract(Contract):
    """Each folder's docstring has a sentence "Imports `this` and `that`.", which names what of ours it imports.

    Names are those of folders or modules below `services`, or other packages of ours. A folder may import its own
    folders unnamed. "Imports every folder." allows all.
    """

    type_name = "sentence"
    packages = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - as Contract has it
        """Whether each folder imports just what its sentence names."""
        roots = cast(list[str], self.packages)
        folders = sorted(module for module in graph.modules if module.startswith(tuple(roots)) and _is_folder(module))
        faults = [fault for folder in folders for fault in _sentence_faults(graph, folder, folders, roots)]
        return ContractCheck(kept=not faults, metadata={"faults": faults})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say which sentences are not true."""
        metadata: dict[str, Any] = check.metadata
        for fault in metadata["faults"]:
            output.print_error(fault)


def _is_folder(module: str) -> bool:
    return Path(*module.split("."), "__init__.py").exists()


def _sentence_faults(graph: ImportGraph, folder: str, folders: Sequence[str], roots: Sequence[str]) -> Iterator[str]:
    if folder in roots:
        return
    docstring = ast.get_docstring(ast.parse(Path(*folder.split("."), "__init__.py").read_text("utf-8"))) or ""
    sentence = _SENTENCE.search(docstring)
    if sentence is None:
        yield f"{folder}: its docstring has no sentence that begins with `Imports`"
        return
    if sentence.group() == "Imports every folder.":
        return
    names = [name if name in roots else f"services.{name}" for name in _NAME.findall(sentence.group())]
    modules = [module for module in graph.modules if _folder_of(module, folders) == folder]
    imported = {
        other
        for module in modules
        for other in graph.find_modules_directly_imported_by(module)
        if other.startswith(tuple(f"{root}." for root in roots) + tuple(roots)) and not _is_in(other, folder)
    }
    for other in sorted(imported):
        if not any(_is_in(other, name) for name in names):
            yield f"{folder}: its docstring does not say that it imports {other}"
    for name in names:
        if not any(_is_in(other, name) for other in imported):
            yield f"{folder}: its docstring says that it imports {name}, and it does not"


def _folder_of(module: str, folders: Sequence[str]) -> str:
    return max((folder for folder in folders if _is_in(module, folder)), key=len, default="")


def _is_in(module: str, folder: str) -> bool:
    return module == folder or module.startswith(f"{folder}.")

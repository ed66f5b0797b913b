"""A kind of import rule for import-linter: modules that may import what is listed, and nothing else."""

from typing import Any, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


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

"""The types of the TypeScript client: made from the contract, and never stale."""

from pathlib import Path

import pytest
from denizen import errors
from denizen.operations import OPERATIONS

from scripts import typescript


def test_generated_types_are_current() -> None:
    for name, text in typescript.files().items():
        assert (typescript.DIRECTORY / f"{name}.ts").read_text("utf-8") == text, "run `make contract`"


@pytest.mark.parametrize("fault", ["changed", "missing", "left over"])
def test_check_with_a_stale_file_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(typescript, "ROOT", tmp_path)
    monkeypatch.setattr(typescript, "DIRECTORY", tmp_path / "generated")
    monkeypatch.setattr("sys.argv", ["typescript"])
    assert typescript.main() == 0
    monkeypatch.setattr("sys.argv", ["typescript", "--check"])
    assert typescript.main() == 0
    match fault:
        case "changed":
            (tmp_path / "generated" / "errors.ts").write_text("// nothing")
        case "missing":
            (tmp_path / "generated" / "errors.ts").unlink()
        case _:
            (tmp_path / "generated" / "older.ts").write_text("// nothing")
    assert typescript.main() == 1


def test_generated_types_name_every_operation_and_error() -> None:
    files = typescript.files()
    for operation in OPERATIONS.values():
        assert f"  {operation.id}: {{ request: {operation.request.__name__};" in files["operations"]
        assert f'subject: "{operation.subject}",' in files["operations"]
    for code, kind in errors.BY_CODE.items():
        assert f"export class {kind.__name__} extends {kind.__bases__[0].__name__} {{" in files["errors"]
        assert f"  {code}: {kind.__name__}," in files["errors"]

"""The version stands in `denizen.__version__`, and everything that tells a version agrees with it."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from denizen import __version__

from services.endpoint import contract
from tests.support.servers import REPOSITORY


def test_contract_has_the_version_of_the_package() -> None:
    assert contract.document()["info"]["version"] == __version__
    assert json.loads((REPOSITORY / "contracts/asyncapi.json").read_text("utf-8"))["info"]["version"] == __version__


def test_changelog_begins_with_this_version_and_how_to_upgrade() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    newest, before = re.findall(r"^## \[(.*)\] - \d{4}-\d\d-\d\d$", text, re.MULTILINE)[:2]
    assert newest == __version__
    assert f"### Upgrade from {before}" in text
    assert f"From {before} to {newest} " in (REPOSITORY / "docs/how-to/update.md").read_text("utf-8")


def test_image_has_the_version_as_its_tag() -> None:
    said = subprocess.run(["make", "-n", "build"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert f"docker build --quiet -t denizen:{__version__} ." in said


@pytest.mark.parametrize(("package", "directory"), [("denizen", "contracts"), ("denizen_server", ".")])
def test_wheel_has_the_version_of_the_package(package: str, directory: str, tmp_path: Path) -> None:
    build = "from hatchling.build import build_wheel; import sys; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=REPOSITORY / directory, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    assert wheel.name == f"{package}-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{package}-{__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in metadata

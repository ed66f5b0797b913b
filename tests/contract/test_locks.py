"""The locks in requirements/: whether they say of which time they are, and what the check of them refuses."""

import re

import pytest

from scripts import check_locks, lock

TEXT = """\
cffi==2.1.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cc
"""
INDEX = {"cffi==2.1.1": frozenset({"sha256:aa", "sha256:bb"}), "colorama==0.4.6": frozenset({"sha256:cc"})}


def test_complete_lock_has_no_differences() -> None:
    assert list(check_locks.differences(check_locks.hashes(TEXT), INDEX)) == []


@pytest.mark.parametrize(
    ("spoilt", "fault"),
    [
        (TEXT.replace(" \\\n    --hash=sha256:bb", ""), "cffi==2.1.1 has the hashes of 1 of its 2 files"),
        (TEXT.replace("sha256:cc", "sha256:dd"), "colorama==0.4.6 has the hashes of 0 of its 1 files"),
        (
            TEXT.replace(":bb", ":bb \\\n    --hash=sha256:ee"),
            "cffi==2.1.1 has 1 hashes of files that the index does not have",
        ),
        (TEXT.partition("colorama")[0], "colorama==0.4.6 is not pinned"),
        (TEXT + "six==1.17.0 \\\n    --hash=sha256:ff\n", "six==1.17.0 is pinned, but nothing needs it"),
    ],
)
def test_spoilt_lock_names_the_distribution(spoilt: str, fault: str) -> None:
    assert list(check_locks.differences(check_locks.hashes(spoilt), INDEX)) == [fault]


@pytest.mark.parametrize("name", lock.SETS)
def test_lock_says_its_time_and_names_no_host(name: str) -> None:
    text = (lock.DIRECTORY / f"{name}.txt").read_text("utf-8")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lock.as_of(text))
    assert "://" not in text


def test_lock_without_time_is_refused() -> None:
    with pytest.raises(ValueError, match="make lock"):
        lock.as_of(TEXT)


def test_local_indexes_and_wheels_do_not_reach_the_resolver() -> None:
    local = {"PIP_FIND_LINKS": "/opt/wheels", "UV_FIND_LINKS": "/opt/wheels", "UV_INDEX": "file:///opt", "PATH": "/bin"}
    assert lock.public(local) == {"PATH": "/bin"}


def test_python_of_the_image_is_checked() -> None:
    bases = re.findall(r"^FROM python:(\d+\.\d+)-", (lock.ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert bases
    assert set(bases) <= set(check_locks.PYTHONS)

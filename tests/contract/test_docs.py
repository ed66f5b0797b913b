"""The documentation points at what exists: files, headings, tests, pages."""

from pathlib import Path

import pytest

from scripts import check_docs

PAGE = """\
# A page

## What `it` does

```
# no heading
```
"""


def test_repository_has_no_dead_link() -> None:
    assert list(check_docs.faults(check_docs.ROOT, check_docs.tracked(check_docs.ROOT))) == []


def test_anchors_are_made_as_github_makes_them() -> None:
    assert check_docs.anchors(PAGE + "## What it does\n") == {"a-page", "what-it-does", "what-it-does-1"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[good](page.md#what-it-does) [other site](https://example.com/x)", None),
        ("[bad](no.md)", "the link to no.md leads nowhere"),
        ("[bad](page.md#no-heading)", "the link to page.md#no-heading names a heading that does not exist"),
        ("`tests/unit/test_a.py::test_known`", None),
        ("`tests/unit/test_a.py::test_lost`", "there is no test tests/unit/test_a.py::test_lost"),
        ("`tests/unit/test_lost.py`", "tests/unit/test_lost.py does not exist"),
        ("by `test_lost.py` there", "there is no test_lost.py in tests/"),
    ],
)
def test_faults_of_a_page_are_found(tmp_path: Path, text: str, fault: str | None) -> None:
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "tests" / "unit" / "test_a.py").write_text("def test_known() -> None: ...\n")
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "text.md").write_text(text)
    found = list(check_docs.faults(tmp_path, [Path("page.md"), Path("text.md")]))
    assert fault is None or f"text.md: {fault}" in found
    assert bool(found) is (fault is not None)


def test_page_that_a_comment_names_must_exist(tmp_path: Path) -> None:
    page = "docs" + "/gone.md"
    (tmp_path / "code.py").write_text(f"# See {page}.\n")
    assert list(check_docs.faults(tmp_path, [Path("code.py")])) == [f"code.py: {page} does not exist"]


def test_two_decisions_of_one_number_are_found(tmp_path: Path) -> None:
    pages = [check_docs.DECISIONS / "0001-one.md", check_docs.DECISIONS / "0001-other.md"]
    (tmp_path / check_docs.DECISIONS).mkdir(parents=True)
    for page in pages:
        (tmp_path / page).write_text("# 1. A decision\n")
    assert list(check_docs.faults(tmp_path, pages)) == ["docs/decisions: 2 decisions have the number 0001"]

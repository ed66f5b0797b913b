"""Each sentence with which a request is refused stands in services/domain/refusals.py, once."""

import ast
from pathlib import Path

from services.domain import refusals

SERVICES = Path(__file__).parents[2] / "services"
HOME = SERVICES / "domain" / "refusals.py"


def refused(source: Path) -> list[ast.Call]:
    """The places in a module where a refusal is made."""
    calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Refusal"]


def test_refusals_are_made_in_one_module() -> None:
    elsewhere = [
        f"{source.relative_to(SERVICES)}:{call.lineno}"
        for source in SERVICES.rglob("*.py")
        for call in refused(source)
        if source != HOME
    ]
    assert elsewhere == []
    assert len(refused(HOME)) > 50


def test_no_sentence_stands_twice() -> None:
    texts = [node.value for node in ast.walk(ast.parse(HOME.read_text())) if isinstance(node, ast.Constant)]
    sentences = [text for text in texts if isinstance(text, str) and text.count(" ") > 2]
    assert len(sentences) == len(set(sentences))


def test_refusal_comes_back_from_its_body() -> None:
    for refusal in (refusals.user_not_found(), refusals.password_change_required("user_1"), refusals.failed()):
        assert refusals.Refusal.of(refusal.body()).body() == refusal.body()

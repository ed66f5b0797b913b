"""The licences of what we ship with."""

import pytest

from scripts import check_licences


def test_every_distribution_has_an_allowed_licence() -> None:
    assert check_licences.main() == 0


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-2.0-only) AND GPL-3.0-only", False),
        ("GPL-3.0-or-later", False),
        ("Proprietary", False),
    ],
)
def test_spdx_expressions_are_judged(expression: str, fine: bool) -> None:
    assert check_licences.allowed(expression) is fine

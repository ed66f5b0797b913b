"""The check that refuses pronouns which hide a role."""

import pytest

from scripts import check_language


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("the user and his password", ["his"]),
        ("def test_nobody_gets_in() -> None:", ["nobody"]),
        ("Whoever asks is told", ["Whoever"]),
        ("the history of this user; the others there", []),
        ('pwd.getpwnam("nobody")', []),
        ("the user `nobody` of Unix", []),
    ],
)
def test_words_of_a_line_are_found(line: str, found: list[str]) -> None:
    assert check_language.words(line) == found


def test_no_text_of_the_repository_hides_a_role() -> None:
    assert list(check_language.faults(check_language.ROOT)) == []

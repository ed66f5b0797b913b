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
        ('assert not shown, "and nothing happens to him"', ["him"]),
        ("each reader starts anew", ["anew"]),
    ],
)
def test_words_of_a_line_are_found(line: str, found: list[str]) -> None:
    assert check_language.words(line) == found


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ('"""a queue of mails."""', 1),
        ('"""`take` and `put`."""\ndef take():\n    """nats-py\'s, and quicker."""', 0),
        ('class Queue:\n    """A queue of mails"""', 1),
        ('MOST = 5\n"""mails in a queue."""', 1),
        ('"""Mails wait. Who comes late waits longer."""', 1),
        ("take = 1  # Whose turn comes next.", 1),
        ('"""The users who wait; those whose turn it is come first."""', 0),
    ],
)
def test_sentences_of_python_are_checked(text: str, faults: int) -> None:
    assert len(list(check_language.sentence_faults(text))) == faults


def test_no_text_of_the_repository_hides_a_role() -> None:
    assert list(check_language.faults(check_language.ROOT)) == []

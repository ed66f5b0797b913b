"""Folded text: the same for everything that people take for the same."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projections.search_text import normalize, search_text


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("Zoë", "zoe"),
        ("ŁUKASZ", "lukasz"),
        ("Søren Kjær", "soren kjaer"),
        ("Straße", "strasse"),
        ("İstanbul ILI \u0131l\u0131k", "istanbul ili ilik"),
        ("ﬁne ①", "fine 1"),
        ("Δημήτρης", "δημητρησ"),
        ("Иван Йо", "иван ио"),
    ],
)
def test_texts_taken_for_the_same_fold_alike(written: str, seen: str) -> None:
    assert normalize(written) == seen


@given(st.text())
@example("ᾳ")
@example("\u0345")
@example("ŉ")
@example("İ")
def test_folding_is_idempotent_and_ignores_form_and_case(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    for form in ("NFC", "NFD"):
        assert normalize(unicodedata.normalize(form, text)) == once
    assert normalize(text.lower()) == once


def test_ascii_path_folds_like_the_general_one() -> None:
    ascii_text = "".join(map(chr, range(128)))
    assert normalize(ascii_text + "é") == normalize(ascii_text) + "e"


def test_folded_text_of_a_user_has_address_and_names() -> None:
    profile = {"firstName": "Ada Augusta", "lastName": "O'Neil"}
    seen = search_text({"email": "Ada.L@Example.com", "profile": profile})
    assert (seen.email, seen.name) == ("ada.l@example.com", "ada augusta o'neil")
    assert seen.search == " ada.l@example.com ada augusta o'neil l example com o neil"
    assert search_text({"email": "a@b.example", "profile": profile | {"displayName": "Countess"}}).name == "countess"
    assert search_text({"email": "a@b.example", "profile": {}}).name > "\uffff", "who has no name comes last"


def test_longest_text_fits_into_an_index_entry() -> None:
    """U+FDFA becomes 18 characters; PostgreSQL refuses an entry of more than a third of a page."""
    seen = search_text({"email": "\ufdfa" * 254, "profile": {"displayName": "\ufdfa" * 256}})
    assert len(seen.email.encode()) < 1200
    assert len(seen.name.encode()) < 1200
    assert max(map(len, seen.search.split())) < 2600


def test_sort_keys_have_no_line_breaks() -> None:
    """Rows are sent as lines of tabs."""
    assert (
        search_text({"email": "a@b.example", "profile": {"displayName": " Ada\t\n\x85Lovelace "}}).name
        == "ada lovelace"
    )

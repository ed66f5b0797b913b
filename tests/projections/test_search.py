"""The words that are looked up are those of every user who is found."""

import re

import psycopg
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from typeid import TypeID

from projections.search_text import indexable, normalize, search_text
from services.directory.search.terms import Condition, condition
from services.domain.refusals import Refusal
from services.platform import sql
from services.transfer.ids import Ids

_LETTERS = "aAb1\u00e4\u0142\u0431\u738b\u2013-._@'\\\\% "
_TEXT = st.text(_LETTERS, max_size=12)


def words(search: str) -> list[str]:
    return re.findall("[0-9A-Za-z]+", search)


def like(text: str, pattern: str) -> bool:
    """LIKE with % alone, for patterns of letters and digits."""
    return re.fullmatch(pattern.replace("%", ".*"), text, re.DOTALL) is not None


def holds(search: str, found: Condition) -> bool:
    """As SQL compares."""
    patterns = (re.sub(r"\\\\(.)", r"\1", pattern[1:-1]) for pattern in found.parameters.values())
    return all(pattern in search for pattern in patterns)


@given(first=_TEXT, last=_TEXT, search=st.one_of(_TEXT, st.lists(st.integers(0, 20), min_size=2, max_size=2)))
@example(first="a\u2013ba", last="", search="ba")
@example(first="x", last="", search="x@b")
@example(first="ab.ba", last="", search=".ba")
def test_found_users_have_the_words(first: str, last: str, search: str | list[int]) -> None:
    """And every user who has the one word of a plain search is found."""
    user = search_text({"email": "x@b.example", "profile": {"firstName": first, "lastName": last}})
    term = search if isinstance(search, str) else f"x@b.example {first} {last}"[min(search) : max(search)]
    try:
        found = condition(term)
    except Refusal:
        assume(False)
        raise
    assert found.parts
    has = all(any(like(word, part) for word in words(user.search)) for part in found.parts)
    if found.plain:
        assert holds(user.search, found) == has
    else:
        assert has or not holds(user.search, found)


_SCRIPTS = (
    "王小明山田太郎",
    "たなかケンジ",
    "김철수",
    "สมชายใจดี",
    "មករា",
    "मिलिंद",
    "محمد",
    "Иван",
    "Νίκη",
    "Zoë",
    "12",
)


@given(data=st.data())
def test_search_finds_any_part_of_a_name(data: st.DataObject) -> None:
    """Three characters do in any script; of letters that are not ASCII one does."""
    name = data.draw(st.text("".join(_SCRIPTS) + "-' ", min_size=1, max_size=12))
    begin = data.draw(st.integers(0, len(name) - 1))
    part = name[begin : data.draw(st.integers(begin + 1, len(name)))]
    terms = [term for term in normalize(part).split() if any(each.isalnum() for each in term)]
    assume(terms and all(len(term) >= 3 or not term.isascii() for term in terms))
    user = search_text({"email": "x@b.example", "profile": {"displayName": name}})
    found = condition(part)
    assert holds(user.search, found)
    assert all(any(like(word, pattern) for word in words(user.search)) for pattern in found.parts)


@pytest.mark.parametrize(
    ("first", "last", "terms"),
    [
        ("小明", "王", "王小明 小明王 王小"),
        ("민준", "김", "김민준 민준김 김민"),
        ("太郎", "山田", "山田太郎 太郎山田 田太"),
        ("健", "佐々木", "佐々木健"),
        ("ケンジ", "ﾀﾅｶ", "タナカケンジ ﾀﾅｶｹﾝｼﾞ"),
        ("太郎", "𠮷田", "𠮷田太郎"),
        ("ใจดี", "สมชาย", "สมชายใจดี"),
        ("小 明", "王", "王小明"),
        ("小明 Michael", "王", "王小明"),
    ],
)
def test_given_and_family_name_are_found_as_one_word(first: str, last: str, terms: str) -> None:
    """Chinese, Japanese and Korean names are written without a space, the family name in front."""
    for profile in ({"firstName": first, "lastName": last}, {"displayName": f"{last}\u3000{first}"}):
        user = search_text({"email": "x@b.example", "profile": profile})
        for term in terms.split():
            found = condition(term)
            assert holds(user.search, found), (profile, term)
            assert all(any(like(word, part) for word in words(user.search)) for part in found.parts), (profile, term)


def test_names_written_with_a_space_are_no_one_word() -> None:
    """They would make every row and index longer."""
    for first, last in (("Ada", "Lovelace"), ("Иван", "Петров"), ("小明", "Wang")):
        profile = {"firstName": first, "lastName": last}
        seen = search_text({"email": "x@b.example", "profile": profile})
        pieces = f"x@b.example {normalize(first)} {normalize(last)} x b example"
        assert seen.search == " " + indexable(" ".join(dict.fromkeys(pieces.split())))


def test_partial_words_have_trigrams() -> None:
    """Three letters together, counting the two spaces before a word and the one behind."""
    for search in (
        "ab",
        "a-b",
        "ab-cd",
        "-a",
        "a@b.example",
        "ada.lovelace@x",
        "x@gmail.com",
        "\u738b\u4f1f",
        "\u738b",
        "\u0e01a",
        "a" * 128,
    ):
        for part in condition(search).parts:
            spaces = 2 * (not part.startswith("%")) + (not part.endswith("%"))
            assert len(part.strip("%")) + spaces >= 3, (search, part)


def test_local_part_of_an_address_is_searched() -> None:
    assert condition("Ada.L@Example.com").parts == ("%ada", "l")
    assert condition("x@gmail.com").parts == ("gmail", "com%"), "one letter could be the end of any word"


def test_sample_holds_one_user_in_32(database_url: str) -> None:
    """Also of those who were imported, in messages of few rows and of many."""
    (sampled,) = re.findall(r" and (right.+)\n", sql.load("services.directory.search", "sampled_beginning"))
    few = [ids.of(index, None) for ids in (Ids.drawn() for _ in range(6_400)) for index in range(5)]
    many = [ids.of(index, None) for ids in (Ids.drawn() for _ in range(32)) for index in range(1_000)]
    with psycopg.connect(database_url) as connection:
        for ids in ([str(TypeID("user")) for _ in range(32_000)], few, many):
            query = f"select count(*) from unnest(%s::text[]) as user_id where {sampled}"
            ((count,),) = connection.execute(query.encode(), [ids]).fetchall()
            assert count == pytest.approx(1_000, abs=200)

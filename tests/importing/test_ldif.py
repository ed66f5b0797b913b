"""Entries of LDIF (RFC 2849) become rows."""

import base64
import io
from contextlib import suppress
from typing import Any

import pytest
from denizen.importing import BadRow, RefusedFile, Row, read
from hypothesis import given, settings
from hypothesis import strategies as st


def entries(text: str | bytes) -> list[Any]:
    """The row of each entry as the reader gives it, and bad rows."""
    data = text.encode() if isinstance(text, str) else text
    rows = read(io.BytesIO(data), preset=lambda raw: {"email": "x", "metadata": dict(raw)}, format="ldif")
    return [row.user["metadata"] if isinstance(row, Row) else row for row in rows]


def test_entry_of_every_kind_of_line_is_read() -> None:
    text = (
        "version: 1\n# a comment\n  that goes on\ndn: uid=ada,dc=example,\n dc=com\nobjectClass: top\n"
        "objectClass: person\n"
        "MAIL: ada@example.com\ncn;lang-de:: TMO2dmU=\nsn:Lovelace  \ndescription:\n# within\n goes on\n"
        "userPassword:: e1NTSEF9eA==\njpegPhoto:: /9j/4A==\n\n\n\ndn:: dWlkPWJvYg==\r\nchangetype: add\r\nuid: bob\r\n"
    )
    assert entries(text) == [
        {
            "dn": "uid=ada,dc=example,dc=com",
            "objectclass": ["top", "person"],
            "mail": "ada@example.com",
            "cn;lang-de": "Löve",
            "sn": "Lovelace  ",
            "userpassword": "{SSHA}x",
            "jpegphoto": "/9j/4A==",
        },
        {"dn": "uid=bob", "uid": "bob"},
    ]


def test_what_ldapsearch_adds_is_no_entry() -> None:
    result = "# search result\nsearch: 2\nresult: 0 Success\n\n# numResponses: 2\n"
    text = f"# extended LDIF\n#\n# LDAPv3\n\ndn: uid=a\nuid: a\n\n{result}"
    assert entries(text) == [{"dn": "uid=a", "uid": "a"}]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (b"dn: uid=x\nchangetype: modify\nreplace: mail\nmail: x\n-\n", "ldapsearch -LLL"),
        (b"dn: uid=x\nchangetype: delete\n", "not entries"),
        (b"dn: uid=x\nuserPassword:< file:///etc/passwd\n", "the value of userpassword is in another file"),
        (b"dn: uid=x\nmail:< file:///etc/passwd\n", "the value of mail is in another file"),
        (b"dn: uid=x\nuserPassword:: ***\n", "not base64"),
        (b"uid: x\nmail: y\n", "does not begin with one dn"),
        (b"dn: a\ndn: b\n", "does not begin with one dn"),
        (b"dn: uid=x\nno colon\n", "attribute: value"),
        (b" dn: uid=x\n", "continued line"),
        (b"dn: uid=x\ncn: \xff\n", "UTF-8"),
        (b"dn: uid=x\ncn: a\0b\n", "NUL"),
        (b"dn: uid=x\n" + b"cn: x\n" * 20_000, "longer than"),
        (b"dn: uid=x\nphoto:: " + b"A" * (1 << 21) + b"\n", "longer than"),
    ],
)
def test_broken_entry_costs_itself_only(broken: bytes, words: str) -> None:
    first, bad, last = entries(b"dn: uid=a\nuid: a\n\n" + broken + b"\ndn: uid=b\nuid: b\n")
    assert (first["uid"], last["uid"]) == ("a", "b")
    assert isinstance(bad, BadRow)
    assert bad.line >= 4
    assert words in bad.message


def test_value_in_another_file_costs_its_attribute_only() -> None:
    """`ldapsearch -t` writes photos so."""
    (entry,) = entries("dn: uid=x\nuid: x\njpegPhoto:< file:///tmp/ldapsearch-jpegPhoto-x\n")
    assert (entry["uid"], "jpegphoto" in entry, "jpegphoto in another file" in entry) == ("x", False, True)


_VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)


def line(name: str, value: str, width: int) -> str:
    encoded = f"{name}:: {base64.b64encode(value.encode()).decode()}"
    return "\n ".join(encoded[at : at + width] for at in range(0, len(encoded), width))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(["cn", "sn", "mail"]), _VALUES, min_size=1), max_size=4),
    st.integers(10, 80),
)
def test_written_entries_are_read_back(users: list[dict[str, str]], width: int) -> None:
    text = "\n\n".join("\n".join(line(*pair, width) for pair in {"dn": "x", **user}.items()) for user in users)
    assert entries(text) == [{"dn": "x", **user} for user in users]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("dn:mail< \n#aA=1-\r"), max_size=80))
def test_random_ldif_yields_only_rows(text: str) -> None:
    with suppress(RefusedFile):
        assert all(isinstance(each, dict | BadRow) for each in entries(text))

"""A plain dump of PostgreSQL becomes rows of users with their identities."""

import io
from typing import Any

import pytest
from denizen.importing import BadRow, Columns, Preset, RefusedFile, Row, read
from hypothesis import given, settings
from hypothesis import strategies as st

HEAD = "--\n-- PostgreSQL database dump\n--\n\nSET a = 0;\nCREATE TABLE auth.users (\n    id uuid\n);\n\n"
_A = "a@example.com\t" + r'{"full_name": "A\\\\B", "x": "\\u00e4"}' + "\t2024-01-02 03:04:05+00"
_COLUMNS = "id, email, raw_user_meta_data, email_confirmed_at, created_at, encrypted_password"
USERS = (
    f"COPY auth.users ({_COLUMNS}) FROM stdin;\nu1\t{_A}\t2024-01-02 03:04:05+00\t\\N\n"
    "u2\tb@example.com\t{}\t\\N\t2024-01-02 03:04:05+00\t\\N\n\\.\n\n"
)
_LINK_COLUMNS = "provider_id, user_id, identity_data, provider"
_LINKS = 'g7\tu1\t{"sub": "g7"}\tgoogle\na@example.com\tu1\t{}\temail\nh9\tu2\t{}\tgithub\n'
IDENTITIES = f"COPY auth.identities ({_LINK_COLUMNS}) FROM stdin;\n{_LINKS}\\.\n\n"
_NOTES = "COPY public.notes (id) FROM stdin;\n1\n\\.\n"
OTHERS = f"COPY public.profiles (id, email) FROM stdin;\n1\tz@example.com\n\\.\n\n{_NOTES}"


def _take(raw: dict[str, Any]) -> dict[str, Any]:
    return {"email": raw.get("email", "none"), "metadata": dict(raw)}


def raw(text: str, preset: Preset = _take) -> list[Any]:
    rows = read(io.BytesIO(text.encode()), format="sql", preset=preset)
    return [row.user["metadata"] if isinstance(row, Row) else row for row in rows]


@pytest.mark.parametrize("text", [HEAD + IDENTITIES + USERS + OTHERS, HEAD + OTHERS + USERS + IDENTITIES])
def test_users_have_their_identities_in_either_order(text: str) -> None:
    rows = list(read(io.BytesIO(text.encode()), preset="supabase"))  # Known by its first lines.
    users = [row.user for row in rows if isinstance(row, Row)]
    assert len(rows) == 2
    assert [user["email"] for user in users] == ["a@example.com", "b@example.com"]
    assert [user["emailVerified"] for user in users] == [True, False]
    assert users[0]["metadata"] == {"full_name": "A\\B", "x": "ä"}
    assert users[0]["identities"] == [{"provider": "google", "providerId": "g7"}]
    assert users[1]["identities"] == [{"provider": "github", "providerId": "h9"}]


def test_identities_of_another_schema_are_no_identities_of_the_users() -> None:
    own = f"COPY public.identities ({_LINK_COLUMNS}) FROM stdin;\nx\tu1\t{{}}\town\n\\.\n\n"
    text = HEAD + IDENTITIES + USERS + own
    first, _ = read(io.BytesIO(text.encode()), preset="supabase")
    assert isinstance(first, Row)
    assert first.user["identities"] == [{"provider": "google", "providerId": "g7"}]


def test_damaged_identity_is_told() -> None:
    text = HEAD + USERS + IDENTITIES.replace("g7\tu1", "g7 u1")
    *users, bad = read(io.BytesIO(text.encode()), preset="supabase")
    assert (len(users), isinstance(bad, BadRow)) == (2, True)
    assert text.splitlines()[bad.line - 1].startswith("g7 u1")


def test_escapes_of_copy_are_read() -> None:
    cells = {r"a\tb\nc\\d": "a\tb\nc\\d", r"\x41\102\v": "AB\v", r"\N": None, "": None, r"\\N": r"\N", r"\q": "q"}
    rows = "".join(f"e\t{cell}\n" for cell in cells)
    found = raw(f"{HEAD}COPY users (email, x) FROM stdin;\n{rows}\\.\n")
    assert [row.get("x") for row in found] == list(cells.values())


def test_table_of_any_name_with_an_email_column_is_read() -> None:
    member = 'COPY public."Member" (id, "email") FROM stdin;\n1\ta@example.com\n\\.\n'
    assert raw(member) == [{"id": "1", "email": "a@example.com"}]
    invited = "COPY public.invitation (email) FROM stdin;\nx\n\\.\n"
    assert [row["email"] for row in raw(invited + member.replace("Member", "user"))] == ["a@example.com"]


def test_broken_rows_of_a_dump_cost_themselves_only() -> None:
    rows = "1\ta@example.com\n2\n3\tc\\000@example.com\n4\td@example.com\n"
    first, short, nul, last = raw(f"COPY users (id, email) FROM stdin;\n{rows}\\.\n")
    assert (first["id"], last["id"]) == ("1", "4")
    assert [(bad.line, bad.code) for bad in (short, nul)] == [(3, "malformed_message"), (4, "malformed_message")]
    assert "1 columns, and its table 2" in short.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + USERS[:-4], "it is cut off"),
        (HEAD + "INSERT INTO auth.users (id, email) VALUES ('1', 'a@example.com');\n", "without --inserts"),
        (HEAD, "no COPY of a table with a column email"),
        ("", "no COPY of a table with a column email"),
        (HEAD + "COPY a (email) FROM stdin;\n\\.\nCOPY b (email) FROM stdin;\n\\.\n", "several tables of the dump"),
    ],
)
def test_dump_without_rows_of_users_says_what_to_do(text: str, words: str) -> None:
    with pytest.raises(RefusedFile, match=words) as refused:
        raw(text)
    assert "canary" not in str(refused.value)


def test_map_of_a_dump_is_checked_against_its_columns() -> None:
    columns = Columns.parse('email = "email"\nexternalId = "uuid"\n')
    with pytest.raises(RefusedFile, match="no column uuid"):
        raw(HEAD + USERS, preset=columns)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab\t\n\\N.x0"), max_size=60), st.booleans())
def test_random_rows_of_a_dump_yield_only_rows(text: str, closed: bool) -> None:
    try:
        rows = raw(f"COPY users (id, email) FROM stdin;\n{text}" + ("\n\\.\n" if closed else ""))
    except RefusedFile:
        return
    assert all(isinstance(row, dict | BadRow) for row in rows)

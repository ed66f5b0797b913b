"""Files of systems for which there is no preset are read by a map, or refused with what to do.

Each sample is small and made up, in the form that the system's own exports or fixtures have (named beside it).
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from denizen.importing import BadRow, Columns, RefusedFile, Row, read

SAMPLES = Path(__file__).parent / "samples"
MAPS = {
    # Rails with Devise: dumps in public repositories (`COPY public.users (id, email, encrypted_password, …`).
    "rails-dump.sql": """
        email = "email"
        externalId = "id"
        passwordHash = "encrypted_password"
        createdAt = "created_at"
        appMetadata.username = "username"
        emailVerified = { column = "confirmed_at", values = { "*" = true } }
        status = { column = "locked_at", values = { "*" = "BLOCKED" } }
    """,
    # Google Workspace, Users > Download: the header in code that makes or reads such files.
    "google-workspace.csv": """
        email = "Email Address [Required]"
        profile.firstName = "First Name [Required]"
        status = { column = "Status [READ ONLY]", values = { active = "ACTIVE", suspended = "BLOCKED" } }
    """,
    # Ghost, Members > Export: TryGhost/Ghost ghost/core/test/utils/fixtures/csv, packages/members-csv.
    "ghost-members.csv": """
        email = "email"
        externalId = "id"
        profile.displayName = "name"
        createdAt = "created_at"
    """,
    # Mattermost, `mmctl export`: bulk export in JSONL, in its documentation and importers' tests.
    "mattermost.jsonl": """
        email = "user.email"
        profile.firstName = "user.first_name"
        profile.displayName = "user.nickname"
    """,
    # Meteor and Rocket.Chat: `mongoexport --collection users`, in public notes on such exports.
    "meteor.json": """
        email = "emails.0.address"
        emailVerified = "emails.0.verified"
        externalId = "_id"
        passwordHash = "services.password.bcrypt"
        createdAt = "createdAt"
    """,
    # SCIM 2.0 (RFC 7644, 3.4.2), as identity providers answer GET /Users.
    "scim.json": """
        email = "emails.0.value"
        externalId = "id"
        profile.firstName = "name.givenName"
        createdAt = "meta.created"
        status = { column = "active", values = { true = "ACTIVE", false = "DEACTIVATED" } }
    """,
    # Microsoft Graph, GET /users, in one line: its documentation and public notes.
    "graph-users.json": """
        email = "userPrincipalName"
        externalId = "id"
        profile.firstName = "givenName"
    """,
    # Active Directory, `ldifde -f`: samba's tests and scripts that read such files.
    "ldifde.ldif": """
        email = "mail"
        externalId = "objectguid"
        createdAt = "whencreated"
        profile.displayName = "cn"
        status = { column = "useraccountcontrol", values = { 512 = "ACTIVE", 514 = "BLOCKED" } }
    """,
    # Moodle, Users > Export, opened and saved in a German Excel: moodle/moodle lib/tests/fixtures/upload_users.csv.
    "moodle-de.csv": """
        email = "E-Mail"
        profile.lastName = "Nachname"
        createdAt = "Angelegt"
        status = { column = "Aktiv", values = { WAHR = "ACTIVE", FALSCH = "BLOCKED" } }
    """,
    # Parse Server, Export of the class _User.
    "parse-server.json": """
        email = "email"
        emailVerified = "emailVerified"
        externalId = "objectId"
        passwordHash = "bcryptPassword"
        createdAt = "createdAt"
    """,
}
WANTED: dict[str, dict[str, Any]] = {
    "rails-dump.sql": {"email": "bob@example.com", "externalId": "5", "status": "BLOCKED"},
    "google-workspace.csv": {"email": "sam@example.com", "profile": {"firstName": "Sam"}, "status": "BLOCKED"},
    "ghost-members.csv": {"email": "bob@example.com", "createdAt": "2023-02-01T00:00:00Z"},
    "mattermost.jsonl": {"email": "bob@example.com", "profile": {"displayName": "Bobby"}},
    "meteor.json": {"email": "bob@example.com", "emailVerified": True, "createdAt": "2011-10-14T08:29:18.395000Z"},
    "scim.json": {"email": "bob@example.com", "status": "DEACTIVATED", "createdAt": "2024-01-23T15:04:05Z"},
    "graph-users.json": {"email": "bob@example.com", "profile": {"firstName": "Bob"}},
    "ldifde.ldif": {"email": "juergen@example.com", "status": "BLOCKED", "profile": {"displayName": "J\u00fcrgen"}},
    "moodle-de.csv": {"email": "bob@example.com", "status": "BLOCKED", "createdAt": "2024-01-23T08:00:00Z"},
    "parse-server.json": {"email": "bob@example.com", "externalId": "x6fMpRs2SP"},
}


@pytest.mark.parametrize("name", MAPS)
def test_file_of_another_system_is_read_by_a_map(name: str) -> None:
    rows = list(read(SAMPLES / name, preset=Columns.parse(MAPS[name])))
    users = [row.user for row in rows if isinstance(row, Row)]
    assert len(users) == 2
    assert users[1] | WANTED[name] == users[1]
    # Mattermost's lines of channels are no users, and are told.
    assert len(rows) == (4 if name == "mattermost.jsonl" else 2)


@pytest.mark.parametrize("name", ["rails-dump.sql", "ldifde.ldif"])
def test_server_export_without_preset_or_map_is_refused(name: str) -> None:
    with pytest.raises(RefusedFile, match="--from"):
        list(read(SAMPLES / name))


@pytest.mark.parametrize(
    "name",
    ["google-workspace.csv", "ghost-members.csv", "mattermost.jsonl", "meteor.json", "scim.json", "moodle-de.csv"],
)
def test_file_of_another_system_without_a_map_gives_no_user(name: str) -> None:
    with suppress(RefusedFile):
        assert all(isinstance(row, BadRow) for row in read(SAMPLES / name))


def test_json_of_phpmyadmin_says_what_to_export() -> None:
    with pytest.raises(RefusedFile, match="as CSV with names"):
        list(read(SAMPLES / "phpmyadmin.json"))

"""Files of other versions and tools than those that the presets were written for (tests/importing/others/README.md)."""

from pathlib import Path
from typing import Any

import pytest
from denizen.importing import BadRow, Row, read

from tests.importing.test_presets import system_of
from tests.importing.test_recognition import refusal

OTHERS = Path(__file__).parent / "others"
FILES = sorted(path.name for path in OTHERS.iterdir() if path.name != "README.md")


def users_of(name: str) -> list[dict[str, Any]]:
    return [row.user for row in read(OTHERS / name, preset=system_of(name)) if isinstance(row, Row)]


@pytest.mark.parametrize("name", FILES)
def test_file_of_another_tool_is_recognised(name: str) -> None:
    assert f"--from {system_of(name)};" in refusal(OTHERS / name)


@pytest.mark.parametrize(("name", "count"), [(name, 1 if "express" not in name else 0) for name in FILES])
def test_file_of_another_tool_is_read(name: str, count: int) -> None:
    rows = list(read(OTHERS / name, preset=system_of(name)))
    assert len([row for row in rows if isinstance(row, Row)]) >= count
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert [row.field for row in bad] == (
        ["passwordHash"] if "express" in name else []
    )  # Salted SHA-256, 20,000 times.


def test_names_holds_and_identities_of_other_tools_are_kept() -> None:
    assert users_of("kratos-of-security-onion.json")[0]["profile"] == {"firstName": "Ada", "lastName": "Lovelace"}
    assert users_of("kratos-of-canonical.json")[0]["emailVerified"] is False
    assert users_of("fusionauth-of-identityserver.json")[1]["identities"] == [
        {"provider": "google", "providerId": "108424841857347725303"}
    ]
    assert users_of("fusionauth-of-frontegg.json")[0]["passwordChangeRequired"] is True
    assert users_of("wordpress-import.csv")[0]["appMetadata"] == {"username": "bobjones", "roles": "contributor"}
    assert [user["email"] for user in users_of("zitadel-of-flowgo.json")] == ["admin@example.com"]
    assert users_of("keycloak-of-a-realm.json")[1]["passwordChangeRequired"] is True
    assert users_of("ldif-of-openldap.ldif")[1]["password"] == "a password in the clear"


# Each value, and not only how many users come.
WANTED: dict[str, list[dict[str, Any]]] = {
    "keycloak-of-a-plugin.json": [
        {
            "passwordHash": "$2a$10$ZsCsoVQ3xfBG/K2z2XpBf.tm90GZmtOqtqWcB5.pYd5Eq8y7RlDyq",
            "passwordChangeRequired": True,
        },
        {"emailVerified": False, "passwordChangeRequired": True, "password": "a good long one"},
        {"emailVerified": True, "identities": [{"provider": "google", "providerId": "113"}]},
    ],
    "clerk-of-javascript.json": [
        {
            "email": "my@example.com",
            "emailVerified": True,
            "externalId": "user_2lwX",
            "profile": {"firstName": "Test", "lastName": "Account", "picture": "https://img.clerk.com/x"},
            "metadata": {"theme": "dark"},
            "appMetadata": {"plan": "pro", "s": 1, "username": "testy"},
            "status": "BLOCKED",
            "createdAt": "2024-09-16T06:01:59.641000Z",
            "updatedAt": "2024-09-23T21:53:37.032000Z",
            "identities": [{"provider": "google", "providerId": "113"}],
        }
    ],
    "clerk-of-the-api.json": [
        {
            "appMetadata": {"phone": "+15550100"},
            "status": "ACTIVE",
            "identities": [{"provider": "google", "providerId": "113"}],
        }
    ],
    "supabase-of-javascript.json": [
        {"emailVerified": True, "status": "ACTIVE", "identities": [{"provider": "google", "providerId": "113"}]},
        {"emailVerified": False, "status": "BLOCKED"},
    ],
    "supertokens-of-core-3.json": [
        {"email": "a@example.com", "emailVerified": False, "externalId": "fa7a0841"},
        {"email": "b@example.com", "identities": [{"provider": "google", "providerId": "113"}]},
    ],
    "wordpress-of-rest.json": [
        {
            "email": "ada@example.com",
            "externalId": "1",
            "profile": {"firstName": "Ada", "lastName": "L", "displayName": "Ada L", "locale": "en-US"},
            "appMetadata": {"roles": ["administrator"], "username": "ada", "website": "https://ada.example.com"},
            "createdAt": "2023-05-01T12:34:56Z",
        }
    ],
    "better-auth-of-mongodb.json": [
        {"externalId": "65f0c0ffee00000000000001", "emailVerified": True, "createdAt": "2024-01-02T03:04:05.678000Z"}
    ],
    "entra-of-b2c.json": [
        {"email": "ada@example.com", "status": "ACTIVE"},
        {
            "email": "guest@gmail.example",
            "status": "BLOCKED",
            "identities": [{"provider": "google.com", "providerId": "113"}],
        },
    ],
    "entra-of-powershell.csv": [
        {"email": "ann.lee@example.com", "externalId": "7cc0c81b-f2a2-489a-8243-eda96da4214d", "status": "BLOCKED"}
    ],
    "entra-of-admin-center.csv": [
        {
            "email": "ann@example.com",
            "externalId": "7cc0c81b-f2a2-489a-8243-eda96da4214d",
            "profile": {"firstName": "Ann", "lastName": "Lee", "displayName": "Ann Lee", "locale": "en-US"},
            "appMetadata": {"jobTitle": "Boss", "department": "Ops", "usageLocation": "AU"},
            "status": "BLOCKED",
            "createdAt": "2024-01-02T03:04:05Z",
        }
    ],
    "ldif-of-active-directory.ldif": [
        {"email": "ada@example.com", "status": "BLOCKED", "updatedAt": "2024-01-02T03:04:05Z"},
        {
            "email": "bob@example.com",
            "passwordChangeRequired": True,
            "profile": {"lastName": "M\u00fcller", "displayName": "Bob M\u00fcller", "locale": "de"},
        },
    ],
}


@pytest.mark.parametrize("name", WANTED)
def test_values_of_another_tool_s_file_are_right(name: str) -> None:
    users = users_of(name)
    assert [user | wanted for user, wanted in zip(users, WANTED[name], strict=True)] == users

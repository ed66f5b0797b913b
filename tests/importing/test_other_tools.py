"""Files of other versions and tools than those that the presets were written for (tests/importing/others/README.md)."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from denizen.importing import BadRow, RefusedFile, Row, read
from denizen.importing.presets.system import UNSAID
from denizen.importing.reading import read_all
from denizen.importing.rows import LeftOutRow

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
    # Salted SHA-256, 20,000 times; an anonymous user, and one with a telephone number alone.
    faults = {"fusionauth-of-express.json": ["passwordHash"], "firebase-of-auth-export.json": ["email"] * 2}
    assert [row.field for row in bad] == faults.get(name, [])


def test_names_holds_and_identities_of_other_tools_are_kept() -> None:
    assert users_of("kratos-of-security-onion.json")[0]["profile"] == {"firstName": "Ada", "lastName": "Lovelace"}
    assert users_of("kratos-of-canonical.json")[0]["emailVerified"] is False
    assert users_of("fusionauth-of-identityserver.json")[1]["identities"] == [
        {"provider": "google", "providerId": "108424841857347725303"}
    ]
    assert users_of("fusionauth-of-frontegg.json")[0]["passwordChangeRequired"] is True
    assert users_of("wordpress-import.csv")[0]["appMetadata"] == {"username": "bobjones", "roles": ["contributor"]}
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
    "auth0-of-the-management-api.json": [
        {
            "externalId": "google-oauth2|1182",
            "metadata": {"theme": "dark"},
            "appMetadata": {"roles": ["admin"]},
            "status": "BLOCKED",
            "identities": [{"provider": "google-oauth2", "providerId": "1182"}],
        },
        {"emailVerified": False, "externalId": "auth0|77", "appMetadata": {"username": "bob", "phone": "+15550100"}},
    ],
    "auth0-of-a-custom-export.csv": [
        {"externalId": "auth0|61a", "status": "BLOCKED", "appMetadata": {"roles": ["admin"]}}
    ],
    "better-auth-of-psql.sql": [
        {
            "emailVerified": True,
            "passwordHash": f"0cf3adef1d1dc6d47ac1b1cb3f1a1d0b:{'aa25a2d7a9e1a1fd5b4ab9a1f4d4e3c2' * 4}",
            "appMetadata": {"role": "admin"},
            "status": "BLOCKED",
            "identities": [{"provider": "google", "providerId": "113"}],
        }
    ],
    "better-auth-of-sqlite.csv": [
        {"emailVerified": True, "createdAt": "2025-01-02T03:04:05.678000Z", "appMetadata": {"username": "ada"}},
        {"emailVerified": False, "createdAt": "2025-01-02T03:04:05.678000Z"},
    ],
    "clerk-of-2025.csv": [{"emailVerified": True, "status": "BLOCKED", "appMetadata": {"phone": "+15550100"}}],
    "cognito-of-admin-get-user.json": [
        {
            "emailVerified": False,
            "status": "BLOCKED",
            "createdAt": "2022-06-06T17:32:27.250000Z",
            "identities": [
                {"provider": "google", "providerId": "118202375641812213424"},
                {"provider": "googleworkspace", "providerId": "monte@example.com"},
            ],
        }
    ],
    "cognito-of-one-identity.json": [
        {
            "emailVerified": True,
            "status": "ACTIVE",
            "updatedAt": "2023-02-24T20:50:09.690000Z",
            "identities": [{"provider": "google", "providerId": "1019"}],
        }
    ],
    "cognito-of-a-backup.csv": [{"emailVerified": True, "externalId": "ada", "metadata": {"updated_at": "1700000000"}}],
    "django-of-jsonl.jsonl": [
        {
            "emailVerified": False,
            "status": "DEACTIVATED",
            "appMetadata": {"is_staff": True, "is_superuser": True, "groups": ["staff"], "username": "ada"},
        }
    ],
    "django-of-natural-keys.json": [{"emailVerified": True, "profile": {"displayName": "Bob B"}, "status": "ACTIVE"}],
    "django-of-psql.csv": [{"emailVerified": False, "status": "DEACTIVATED", "createdAt": "2020-01-02T02:04:05Z"}],
    "entra-of-get-mguser.csv": [
        {"status": "BLOCKED", "appMetadata": {"userType": "Member"}, "createdAt": "2024-01-23T08:00:00Z"}
    ],
    "firebase-of-auth-export.json": [
        {
            "emailVerified": True,
            "appMetadata": {"role": "admin", "phone": "+15550100"},
            "status": "BLOCKED",
            "createdAt": "2020-12-07T14:20:44Z",
            "identities": [{"provider": "google.com", "providerId": "113"}],
        }
    ],
    "fusionauth-of-search.json": [
        {
            "emailVerified": True,
            "status": "ACTIVE",
            "createdAt": "2023-11-14T22:13:20Z",
            "profile": {
                "firstName": "Ada",
                "lastName": "L",
                "displayName": "Ada L",
                "picture": "https://x.example.com/a.png",
                "locale": "en-US",
                "timezone": "America/Denver",
            },
        }
    ],
    "fusionauth-of-import.json": [
        {
            "emailVerified": False,
            "passwordHash": "$pbkdf2-sha256$24000$YmFzZTY0c2FsdHNhbHQ$Lsd7PD3bdmxTg0xDs7ZxuBqLgZN41MR4C9tfQQtNAi8",
        }
    ],
    "keycloak-of-kcadm.json": [
        {
            "status": "BLOCKED",
            "createdAt": "2023-11-07T13:45:41.097000Z",
            "profile": {"firstName": "Ada", "lastName": "L", "locale": "de"},
        }
    ],
    "keycloak-of-a-directory.json": [
        {
            "emailVerified": False,
            "status": "ACTIVE",
            "passwordHash": "$argon2id$v=19$m=7168,t=5,p=1$8uuTwGbGSLYXHqRWQDQtnQ"
            "$AmVZGyAqEOMwuYULsOKrLuk8bvf16SI3zIN3aVDDmVo",
            "identities": [{"provider": "github", "providerId": "113"}],
        }
    ],
    "kratos-of-list.json": [
        {
            "emailVerified": True,
            "status": "DEACTIVATED",
            "metadata": {"phone": "+15550100"},
            "appMetadata": {"plan": "pro"},
            "identities": [{"provider": "google", "providerId": "113"}],
        }
    ],
    "kratos-of-import-request.json": [
        {
            "email": "ada@example.com",
            "emailVerified": True,
            "metadata": {"emails": ["ada@example.com", "ada@work.example"], "username": "ada"},
        }
    ],
    "ldif-of-samba.ldif": [{"status": "BLOCKED", "passwordHash": "{SSHA}LhKrkM9Fy+zlstjdD7Kv2s6QvhBzYWx0"}],
    "ldif-of-freeipa.ldif": [
        {"status": "BLOCKED", "profile": {"firstName": "Bob", "lastName": "B", "displayName": "Bob B"}},
        {"status": "BLOCKED"},
    ],
    "ldif-of-oid.ldif": [{"status": "BLOCKED"}],
    "supabase-of-the-table-editor.csv": [
        {
            "emailVerified": True,
            "status": "BLOCKED",
            "profile": {"displayName": "Ada Lovelace", "picture": "https://lh3.example.com/a=s96-c"},
            "createdAt": "2026-02-06T23:39:58.810000Z",
        }
    ],
    "supertokens-of-core-9.json": [
        {
            "email": "ada@example.com",
            "emailVerified": True,
            "appMetadata": {"phone": "+15550100"},
            "identities": [{"provider": "google", "providerId": "113"}],
        }
    ],
    "wordpress-of-a-plugin.csv": [
        {
            "passwordHash": "$wp$2y$10$ZsCsoVQ3xfBG/K2z2XpBf.tm90GZmtOqtqWcB5.pYd5Eq8y7RlDyq",
            "appMetadata": {"username": "bob", "roles": ["customer"]},
            "status": "ACTIVE",
        }
    ],
    "wordpress-of-usermeta.csv": [{"appMetadata": {"username": "ada", "roles": ["administrator"]}}],
    "wordpress-of-wp-cli.json": [{"appMetadata": {"username": "ada", "roles": ["administrator", "editor"]}}],
    "zitadel-of-add-human-user.json": [
        {
            "emailVerified": True,
            "passwordHash": "$2a$12$lJ08fqVr8bFJilRVnDT9QeULI7YW.nT3iwUv6dyg0aCrfm3UY8XR2",
            "passwordChangeRequired": True,
            "identities": [{"provider": "d654e6ba-70a3", "providerId": "6516849804890468048461403518"}],
        },
        {"password": "Secr3tP4ssw0rd!", "passwordChangeRequired": True, "emailVerified": False},
    ],
    "zitadel-of-export.json": [{"externalId": "1041", "emailVerified": True}],
    "zitadel-of-v1-import.json": [{"password": "my_53cr3t-P4$$w0rd", "passwordChangeRequired": True}],
}


@pytest.mark.parametrize("name", WANTED)
def test_values_of_another_tool_s_file_are_right(name: str) -> None:
    users = users_of(name)
    assert [user | wanted for user, wanted in zip(users, WANTED[name], strict=True)] == users


def told(name: str) -> set[str]:
    rows = [row for row in read_all(OTHERS / name, preset=system_of(name)) if isinstance(row, Row)]
    return {path for row in rows for path, _ in row.not_taken}


def test_parts_of_an_identity_that_are_not_taken_are_told() -> None:
    parts = {f"identities.{part}" for part in ("providerType", "issuer", "primary", "dateCreated")}
    assert parts <= told("cognito-of-admin-get-user.json")
    assert {"accounts.accessToken", "accounts.idToken"} <= told("better-auth-of-psql.sql")


def test_kinds_that_powershell_writes_are_no_values() -> None:
    assert {"BusinessPhones", "OtherMails", "PasswordProfile", "AdditionalProperties"} <= told(
        "entra-of-get-mguser.csv"
    )


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("zitadel-of-export.json", ["machineUsers", "userMetadata", "userLinks"]),
        ("keycloak-of-a-directory.json", ["federatedUsers"]),
        ("fusionauth-of-search.json", []),
    ],
)
def test_arrays_beside_the_users_are_told(name: str, arrays: list[str]) -> None:
    left_out = [row for row in read_all(OTHERS / name, preset=system_of(name)) if isinstance(row, LeftOutRow)]
    assert [row.message.split()[2].rstrip(",") for row in left_out] == arrays


ENTRY = """dn: uid=ada,dc=example
objectClass: inetOrgPerson
mail: ada@example.com
"""


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("sambaAcctFlags: [U          ]", "ACTIVE"),
        ("orclIsEnabled: ENABLED", "ACTIVE"),
        ("accountStatus: active", "ACTIVE"),
        ("accountStatus: noaccess", "BLOCKED"),
        ("ibm-pwdAccountLocked: TRUE", "BLOCKED"),
        ("nsRoleDN: cn=nsManagedDisabledRole,dc=example", "BLOCKED"),
        ("pwdEndTime: 20200101000000Z", "BLOCKED"),
        ("loginExpirationTime: 20990101000000Z", None),
        ("krbPrincipalExpiration: 19700101000000Z", None),
        ("krbPrincipalExpiration: 20250101000000+0100", "BLOCKED"),
        ("krbPrincipalExpiration: 2025010100Z", "BLOCKED"),
        ("krbPrincipalExpiration: 20251399000000Z", None),
    ],
)
def test_hold_of_a_directory_blocks_the_user(line: str, status: str | None) -> None:
    (row,) = read(BytesIO(f"{ENTRY}{line}\n".encode()), format="ldif", preset="ldif")
    assert isinstance(row, Row)
    assert row.user.get("status") == status


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("-- phpMyAdmin SQL Dump\n\nINSERT INTO `wp_users` (`ID`) VALUES\n(1);\n", "MySQL.*as CSV with its header"),
        ('INSERT INTO "auth"."users" ("id") VALUES\n', "--use-copy"),
    ],
)
def test_dump_with_inserts_says_how_to_make_one_that_is_read(head: str, said: str) -> None:
    with pytest.raises(RefusedFile, match=said):
        list(read(BytesIO(head.encode()), format="sql", preset="wordpress"))


def test_row_with_a_user_within_it_is_of_no_system() -> None:
    (row,) = read([{"user": {"email": "ada@example.com", "verified": True}}])
    assert isinstance(row, BadRow)
    assert "looks like" not in row.message


def test_header_of_another_system_is_named_and_its_columns_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("userPrincipalName,displayName,mail,accountEnabled\n")
    said = refusal(file)
    assert "Microsoft Entra: --from entra;" in said
    assert "users have no columns userPrincipalName, displayName, mail, accountEnabled; they have id, email," in said


def test_text_of_metadata_keeps_the_names_of_its_parts() -> None:
    odd = {"full_name": "x" * 1000}
    as_text = {"email": "ada@example.com", "raw_user_meta_data": json.dumps(odd), "banned_until": None}
    kept = [
        row.user["appMetadata"]
        for row in read([as_text, {**as_text, "raw_user_meta_data": odd}], preset="supabase")
        if isinstance(row, Row)
    ]
    assert kept == [odd, odd]


@pytest.mark.parametrize(
    ("system", "row"),
    [
        ("supabase", {"email": "ada@example.com", "encrypted_password": "", "is_sso_user": False}),
        ("firebase", {"email": "ada@example.com", "localId": "a"}),
        (
            "cognito",
            {
                "Username": "ada",
                "Attributes": [{"Name": "email", "Value": "ada@example.com"}],
                "UserStatus": "CONFIRMED",
            },
        ),
    ],
)
def test_file_without_the_verification_says_so(system: str, row: dict[str, Any]) -> None:
    (made,) = read([row], preset=system)
    assert isinstance(made, Row)
    assert made.user["emailVerified"] is False
    assert UNSAID[0] in made.changed


def test_yaml_says_how_to_export() -> None:
    with pytest.raises(RefusedFile, match="dumpdata --format json"):
        list(read(BytesIO(b"- model: auth.user\n  pk: 1\n"), preset="django"))


def test_id_of_auth0_s_passwords_is_read_in_either_spelling() -> None:
    rows = [{"email": "ada@example.com", "_tmp_is_unique": True, name: {"$oid": "6042"}} for name in ("_id", "_ID")]
    assert [row.user["externalId"] for row in read(rows, preset="auth0") if isinstance(row, Row)] == ["auth0|6042"] * 2


def test_roles_of_wordpress_as_an_object_are_those_that_are_granted() -> None:
    roles = {"administrator": True, "editor": False}
    user = {"ID": 1, "user_login": "ada", "user_email": "ada@example.com", "user_status": 0, "wp_capabilities": roles}
    (row,) = read(BytesIO(json.dumps([user]).encode()), format="json", preset="wordpress")
    assert isinstance(row, Row)
    assert row.user["appMetadata"]["roles"] == ["administrator"]

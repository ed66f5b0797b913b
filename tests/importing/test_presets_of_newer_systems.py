"""The exports of systems that joined later: what each says of status, verification, identities, metadata and hashes."""

from typing import Any

import pytest
from denizen.importing import BadRow, Row, read
from denizen.importing.reading import read_all
from denizen.importing.rows import LeftOutRow

from services.passwords.formats import accepted, verify
from tests.importing.test_presets import SAMPLES, row_of, users_of

GOOGLE = "113000000000000000001"


def hashes_fit(users: dict[str, Any]) -> list[str]:
    """Those whose hash is taken; each password is the name's."""
    hashed = {who: user["passwordHash"] for who, user in users.items() if "passwordHash" in user}
    for who, text in hashed.items():
        assert verify(f"{who}'s password", accepted(text)), who
    return list(hashed)


def told(name: str, preset: str) -> tuple[dict[str, str | None], dict[str, str]]:
    """What the first row says that it did not take, and what it changed."""
    row = next(read(SAMPLES / name, preset=preset))
    assert isinstance(row, Row)
    return dict(row.not_taken), dict(row.changed)


def left_out(name: str, preset: str) -> list[str]:
    return [row.message for row in read_all(SAMPLES / name, preset=preset) if isinstance(row, LeftOutRow)]


def test_kratos_sample_becomes_users() -> None:
    users = users_of("kratos.json")
    assert hashes_fit(users) == ["ada", "edsger"]
    del users["ada"]["passwordHash"]
    assert users["ada"] == {
        "email": "ada@example.com",
        "emailVerified": True,
        "externalId": "185f2f83-d63a-4c9b-b4a0-7e4a88579900",
        "profile": {"firstName": "Ada", "lastName": "Lovelace"},
        "metadata": {"newsletter": True},
        "appMetadata": {"plan": "pro", "crm": "4711"},
        "status": "ACTIVE",
        "createdAt": "2023-05-01T12:34:56.789000Z",
        "updatedAt": "2024-01-01T00:00:00Z",
        "identities": [{"provider": "google", "providerId": GOOGLE}],
    }
    assert (users["grace"]["emailVerified"], users["grace"]["profile"]) == (False, {"displayName": "Grace Hopper"})
    assert (users["edsger"]["emailVerified"], users["edsger"]["status"]) == (True, "DEACTIVATED")
    assert "second factors" in str(told("kratos.json", "kratos")[0]["credentials.totp"])


def test_kratos_import_file_is_read() -> None:
    inner = {
        "schema_id": "default",
        "traits": {"email": "ada@example.com"},
        "credentials": {"password": {"config": {"password": "in the clear"}}},
    }
    row = row_of("kratos", {"create": inner, "patch_id": "1"})
    assert row.user["password"] == "in the clear"
    assert "emailVerified" in dict(row.changed)


@pytest.mark.parametrize(
    ("traits", "profile", "metadata"),
    [
        ({"name": {"first": "A", "last": "B"}}, {"firstName": "A", "lastName": "B"}, {}),
        ({"name": {"first": "A", "middle": "M"}}, {"firstName": "A"}, {"name": {"middle": "M"}}),
        ({"name": ["A", "B"]}, {}, {"name": ["A", "B"]}),
        ({"first_name": "A", "given_name": "G"}, {"firstName": "A"}, {"given_name": "G"}),
        ({"name": "A B", "last_name": "B"}, {"displayName": "A B", "lastName": "B"}, {}),
    ],
)
def test_kratos_parts_of_names_that_the_profile_lacks_are_kept(
    traits: dict[str, Any], profile: dict[str, Any], metadata: dict[str, Any]
) -> None:
    user = row_of("kratos", {"id": "1", "schema_id": "x", "traits": {"email": "a@example.com"} | traits}).user
    assert (user.get("profile", {}), user.get("metadata", {})) == (profile, metadata)


def test_supertokens_sample_becomes_users() -> None:
    users = users_of("supertokens.json")
    assert hashes_fit(users) == ["ada", "grace"]
    del users["ada"]["passwordHash"]
    assert users["ada"] == {
        "email": "ada@example.com",
        "emailVerified": True,
        "externalId": "user-1",
        "profile": {"firstName": "Ada", "lastName": "Lovelace"},
        "appMetadata": {"plan": "pro", "roles": ["admin"]},
        "createdAt": "2024-04-02T14:13:35.922000Z",
        "identities": [{"provider": "google", "providerId": GOOGLE}],
    }
    assert users["grace"]["emailVerified"] is False
    assert users["alan"]["emailVerified"] is True
    assert users["alan"]["appMetadata"] == {"phone": "+15550100"}
    assert "totpDevices" in told("supertokens.json", "supertokens")[0]


def test_zitadel_export_becomes_users_of_every_organization() -> None:
    users = users_of("zitadel.json")
    assert hashes_fit(users) == ["ada", "grace"]
    del users["ada"]["passwordHash"]
    assert users["ada"] == {
        "email": "ada@example.com",
        "emailVerified": True,
        "externalId": "104133391271651848",
        "profile": {"firstName": "Ada", "lastName": "Lovelace", "displayName": "Ada Lovelace", "locale": "de"},
        "appMetadata": {"phone": "+15550100", "username": "ada"},
        "identities": [{"provider": "124425861423228496", "providerId": GOOGLE}],
    }
    assert users["grace"]["passwordChangeRequired"] is True
    assert "locale" not in users["grace"]["profile"]  # `und`
    assert users["alan"]["emailVerified"] is False
    assert "user.otpCode" in told("zitadel.json", "zitadel")[0]


def test_zitadel_list_keeps_states_and_leaves_machines_out() -> None:
    users = users_of("zitadel-list.json")
    assert {who: user.get("status") for who, user in users.items()} == {
        "ada": "ACTIVE",
        "grace": "BLOCKED",
        "alan": "DEACTIVATED",
    }
    assert [user["emailVerified"] for user in users.values()] == [True, False, True]
    assert users["ada"]["profile"]["picture"] == "https://example.com/ada.png"
    assert users["ada"]["createdAt"] == "2023-05-01T12:34:56.789000Z"
    assert left_out("zitadel-list.json", "zitadel") == ["a machine user, which is a program and no person"]


@pytest.mark.parametrize(
    ("said", "status"),
    [("USER_STATE_LOCKED", "BLOCKED"), ("locked", "BLOCKED"), ("INACTIVE", "DEACTIVATED"), ("ACTIVE", "ACTIVE")],
)
def test_zitadel_state_counts_in_either_spelling(said: str, status: str) -> None:
    raw = {"id": "1", "state": said, "human": {"email": {"email": "a@example.com"}}}
    assert row_of("zitadel", raw).user["status"] == status


@pytest.mark.parametrize(
    ("preset", "raw", "field"),
    [
        ("zitadel", {"id": "1", "state": 4, "human": {"email": {"email": "a@example.com"}}}, "state"),
        ("zitadel", {"id": "1", "state": "USER_STATE_FROZEN", "human": {"email": {"email": "a@example.com"}}}, "state"),
        ("kratos", {"id": "1", "traits": {"email": "a@example.com"}, "state": "suspended"}, "state"),
        ("cognito", {"Username": "a", "email": "a@example.com", "UserStatus": "FROZEN"}, "UserStatus"),
    ],
)
def test_unknown_state_never_lets_a_user_in(preset: str, raw: dict[str, Any], field: str) -> None:
    (bad,) = read([raw], preset=preset)
    assert isinstance(bad, BadRow)
    assert (bad.field, "the known ones are" in bad.message) == (field, True)


def test_fusionauth_sample_becomes_users() -> None:
    users = users_of("fusionauth.json")
    assert hashes_fit(users) == ["ada", "grace"]
    ada = users["ada"]
    assert ada["profile"] == {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "displayName": "Ada Lovelace",
        "picture": "https://example.com/ada.png",
        "locale": "en",
        "timezone": "Europe/Vienna",
    }
    assert ada["appMetadata"]["data"]["plan"] == "pro"
    assert ada["appMetadata"]["registrations"][0]["roles"] == ["admin"]
    assert (ada["createdAt"], ada["updatedAt"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:13:25Z")
    assert (users["grace"]["emailVerified"], users["grace"]["passwordChangeRequired"]) == (False, True)
    assert users["edsger"]["status"] == "DEACTIVATED"
    assert (users["alan"]["password"], users["alan"]["emailVerified"]) == ("alan's password", False)
    assert "twoFactor" in told("fusionauth.json", "fusionauth")[0]


def test_better_auth_sample_becomes_users() -> None:
    users = users_of("better-auth.json")
    assert hashes_fit(users) == ["ada"]
    assert users["ada"]["identities"] == [{"provider": "google", "providerId": GOOGLE}]
    assert users["ada"]["appMetadata"] == {"username": "ada", "role": "admin"}
    assert users["ada"]["profile"] == {"displayName": "Ada Lovelace", "picture": "https://example.com/ada.png"}
    assert {who: user.get("status") for who, user in users.items()} == {
        "ada": "ACTIVE",
        "grace": "BLOCKED",
        "alan": "ACTIVE",
    }
    assert [user["emailVerified"] for user in users.values()] == [True, False, True]
    columns = users_of("better-auth.csv")
    assert columns["ada"]["identities"] == [{"provider": "github", "providerId": "4711"}]
    assert (columns["ada"]["emailVerified"], columns["grace"]["emailVerified"]) == (True, False)
    assert columns["grace"]["status"] == "BLOCKED"


def test_auth_js_time_of_verification_verifies() -> None:
    raw = {"id": "1", "name": "Ada", "email": "a@example.com", "emailVerified": "2024-01-01T00:00:00Z", "image": None}
    assert row_of("better-auth", raw).user["emailVerified"] is True
    assert row_of("better-auth", raw | {"emailVerified": None}).user["emailVerified"] is False
    assert row_of("better-auth", raw | {"emailVerified": 1704067200000}).user["emailVerified"] is True


@pytest.mark.parametrize("said", ["unverified", "not verified", "0000-00-00 00:00:00", 5])
def test_better_auth_text_that_is_no_time_does_not_verify(said: Any) -> None:
    raw = {"id": "1", "displayUsername": "Ada", "email": "a@example.com", "emailVerified": said}
    (row,) = read([raw], preset="better-auth")
    assert isinstance(row, BadRow) or row.user["emailVerified"] is False


def test_cognito_list_becomes_users() -> None:
    users = users_of("cognito.json")
    assert users["ada"] == {
        "email": "ada@example.com",
        "emailVerified": True,
        "externalId": "427f0e89-dd0a-48be-927d-8f8c0e938d57",
        "profile": {"firstName": "Ada", "lastName": "Lovelace", "locale": "de-AT", "timezone": "Europe/Vienna"},
        "appMetadata": {"custom:plan": "pro", "phone": "+15550100", "phone_number_verified": "true", "username": "ada"},
        "status": "ACTIVE",
        "createdAt": "2021-05-04T00:47:47.213000Z",
        "updatedAt": "2021-05-04T02:56:14.561000Z",
    }
    assert users["grace"]["identities"] == [{"provider": "google", "providerId": GOOGLE}]
    assert {who: user.get("status") for who, user in users.items()} == {
        "ada": "ACTIVE",
        "grace": "ACTIVE",
        "edsger": "BLOCKED",
        "alan": "BLOCKED",
        "dennis": "ACTIVE",
    }
    assert users["dennis"]["emailVerified"] is False
    assert "MFAOptions" in told("cognito.json", "cognito")[0]


def test_cognito_csv_becomes_users() -> None:
    users = users_of("cognito.csv")
    assert users["ada"]["profile"]["picture"] == "https://example.com/ada.png"
    assert users["ada"]["appMetadata"] == {
        "custom:plan": "pro",
        "phone": "+15550100",
        "phone_number_verified": "true",
        "username": "ada",
    }
    assert [user["emailVerified"] for user in users.values()] == [True, False]


def test_cognito_status_among_the_attributes_counts() -> None:
    raw = {"cognito:username": "a", "email": "a@example.com", "cognito:user_status": "COMPROMISED"}
    assert row_of("cognito", raw).user["status"] == "BLOCKED"
    assert row_of("cognito", raw | {"cognito:user_status": "ARCHIVED"}).user["status"] == "DEACTIVATED"
    assert row_of("cognito", raw | {"Enabled": "false", "cognito:user_status": "CONFIRMED"}).user["status"] == "BLOCKED"


def test_cognito_times_in_seconds_are_read() -> None:
    raw = {
        "Username": "a",
        "Attributes": [{"Name": "email", "Value": "a@example.com"}],
        "UserCreateDate": 1548099495.361,
    }
    assert row_of("cognito", raw | {"UserStatus": "CONFIRMED"}).user["createdAt"].startswith("2019-01-21T19:38:15")


@pytest.mark.parametrize("name", ["entra.csv", "entra.json"])
def test_entra_sample_keeps_names_and_holds(name: str) -> None:
    users = list(users_of(name).values())
    assert [user["profile"]["displayName"] for user in users][:1] == ["Ada Lovelace"]
    assert [user.get("status") for user in users] == ["ACTIVE", "BLOCKED"]
    assert [user["emailVerified"] for user in users] == [False, False]
    assert users[1]["email"] == "grace@example.com"
    assert users[0]["createdAt"] == "2023-05-16T15:04:05Z"
    assert "emailVerified" in told(name, "entra")[1]


@pytest.mark.parametrize("phones", [["+1 425 555 0109", "+1 425 555 0110"], "+1 425 555 0109"])
def test_entra_business_phones_are_kept(phones: Any) -> None:
    raw = {"userPrincipalName": "a@example.com", "accountEnabled": True, "businessPhones": phones}
    row = row_of("entra", raw)
    assert (row.user["appMetadata"], row.not_taken) == ({"businessPhones": phones}, [])


def test_entra_user_not_said_to_be_enabled_is_refused() -> None:
    *_, bad = read(SAMPLES / "entra.json", preset="entra")
    assert isinstance(bad, BadRow)
    assert (bad.field, "export accountEnabled too" in bad.message) == ("accountEnabled", True)
    *_, guest = read(SAMPLES / "entra.csv", preset="entra")
    assert isinstance(guest, BadRow)
    assert guest.field == "email"  # A guest's principal name is no address.


def test_entra_identities_in_a_cell_are_told() -> None:
    row = row_of("entra", {"userPrincipalName": "a@example.com", "accountEnabled": True, "identities": "a; b"})
    assert "identities" in dict(row.not_taken)


def test_fusionauth_user_who_has_expired_is_deactivated() -> None:
    row = row_of("fusionauth", {"email": "a@example.com", "insertInstant": 1, "active": True, "expiry": 1})
    assert (row.user["status"], row.not_taken) == ("DEACTIVATED", [])


def test_fusionauth_further_languages_are_told() -> None:
    row = row_of("fusionauth", {"email": "a@example.com", "insertInstant": 1, "preferredLanguages": ["en_GB", "fr"]})
    assert (row.user["profile"]["locale"], [name for name, _ in row.not_taken]) == ("en-GB", ["preferredLanguages"])


def test_entra_names_of_powershell_are_read() -> None:
    raw = {
        "Id": "1",
        "DisplayName": "Ada",
        "Mail": "a@example.com",
        "UserPrincipalName": "a@x.com",
        "AccountEnabled": "False",
    }
    row = row_of("entra", raw | {"JobTitle": "Analyst", "City": "Vienna"})
    assert (row.user["profile"], row.user["status"]) == ({"displayName": "Ada"}, "BLOCKED")
    assert row.user["appMetadata"] == {"jobTitle": "Analyst", "userPrincipalName": "a@x.com"}
    assert "City" in dict(row.not_taken)


def test_wordpress_sample_becomes_users() -> None:
    users = users_of("wordpress.csv")
    assert hashes_fit(users) == ["ada", "grace"]
    del users["ada"]["passwordHash"]
    assert users["ada"] == {
        "email": "ada@example.com",
        "emailVerified": False,
        "externalId": "1",
        "profile": {"firstName": "Ada", "lastName": "Lovelace", "displayName": "Ada Lovelace"},
        "appMetadata": {"username": "ada", "website": "https://example.com", "roles": ["administrator", "editor"]},
        "status": "ACTIVE",
        "createdAt": "2023-05-01T12:34:56Z",
    }
    assert "createdAt" not in users["grace"]
    assert users["edsger"]["status"] == "BLOCKED"
    assert "emailVerified" in told("wordpress.csv", "wordpress")[1]


def test_kratos_rows_of_the_database_become_the_same_users() -> None:
    users = users_of("kratos.csv")
    assert hashes_fit(users) == ["ada", "edsger"]
    assert users == users_of("kratos.json")


def test_ldif_sample_becomes_users() -> None:
    users = users_of("ldif.ldif")
    assert hashes_fit(users) == ["ada", "grace"]
    del users["ada"]["passwordHash"]
    assert users["ada"] == {
        "email": "ada@example.com",
        "emailVerified": False,
        "externalId": "185f2f83-d63a-4c9b-b4a0-7e4a88579900",
        "profile": {"firstName": "Ada", "lastName": "Lovelace", "displayName": "Ada Lovelace"},
        "appMetadata": {
            "username": "ada",
            "phone": "+1 555 0100",
            "dn": "uid=ada,ou=people,dc=example,dc=com",
            "otherMails": ["countess@example.com"],
        },
        "createdAt": "2023-05-01T12:34:56Z",
        "updatedAt": "2024-01-01T00:00:00Z",
    }
    assert [user.get("status") for user in users.values()] == [None, "BLOCKED", "BLOCKED"]
    assert left_out("ldif.ldif", "ldif") == ["an entry that is no person"] * 3
    not_taken, changed = told("ldif.ldif", "ldif")
    assert ("description" in not_taken, "emailVerified" in changed) == (True, True)


@pytest.mark.parametrize(
    ("attribute", "value", "blocked"),
    [
        ("nsaccountlock", "TRUE", True),
        ("msds-useraccountdisabled", "TRUE", True),
        ("msds-useraccountdisabled", "FALSE", False),
        ("ds-pwp-account-disabled", "true", True),
        ("inetuserstatus", "Inactive", True),
        ("inetuserstatus", "active", False),
        ("accountexpires", "131000000000000000", True),
        ("accountexpires", "0", False),
        ("accountexpires", "9223372036854775807", False),
        ("shadowexpire", "1", True),
        ("shadowexpire", "-1", False),
        ("shadowexpire", "99999", False),
    ],
)
def test_ldif_account_that_is_disabled_or_expired_is_blocked(attribute: str, value: str, blocked: bool) -> None:
    entry = {"dn": "uid=a", "objectclass": "person", "mail": "a@example.com", attribute: value}
    assert (row_of("ldif", entry).user.get("status") == "BLOCKED") is blocked


def test_ldif_further_values_are_told() -> None:
    entry = {"dn": "uid=a", "objectclass": "person", "mail": "a@example.com"}
    row = row_of("ldif", entry | {"sn": ["A", "B"], "userpassword": ["{SSHA}x", "{SSHA}y"], "cn": ["A"]})
    assert {name: because is not None for name, because in row.not_taken} == {"sn": True, "userpassword": True}


def test_ldif_passwords_by_their_scheme() -> None:
    entry = {"dn": "uid=a", "objectclass": ["person", "top"], "mail": "a@example.com"}
    for value, field, kept in (
        ("{CRYPT}$6$x$y", "passwordHash", "$6$x$y"),
        ("{argon2}$argon2id$v=19$", "passwordHash", "$argon2id$v=19$"),
        ("{SSHA}abc", "passwordHash", "{SSHA}abc"),
        ("{CLEARTEXT}a long secret", "password", "a long secret"),
        ("a long secret", "password", "a long secret"),
    ):
        assert row_of("ldif", entry | {"userpassword": value}).user[field] == kept

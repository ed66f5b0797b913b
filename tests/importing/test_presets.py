"""Other systems' exports become users of ours, whose passwords still fit: in the samples, ada's is `ada's password`."""

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from denizen.importing import PRESETS, BadRow, HashConfig, Preset, Row, firebase, read
from denizen.messages import ImportedUser
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import fields
from services.passwords.formats import accepted, verify

SAMPLES = Path(__file__).parent / "samples"
CONFIG = HashConfig.parse((SAMPLES / "firebase-hash-config.txt").read_text("utf-8"))
FILES = [
    "auth0.jsonl", "auth0-hashes.jsonl", "auth0-import.json", "clerk.csv", "django.csv", "django.json", "firebase.json",
    "keycloak.json", "supabase.csv", "supabase.json",
]  # fmt: skip


SAMPLED = [
    *FILES, "better-auth.csv", "better-auth.json", "cognito.csv", "cognito.json", "entra.csv", "entra.json",
    "fusionauth.json", "kratos.csv", "kratos.json", "supertokens.json", "wordpress.csv", "ldif.ldif",
    "zitadel-list.json", "zitadel.json",
]  # fmt: skip


def system_of(name: str) -> str:
    """The longest name of a preset that a sample's name begins with."""
    return max((preset for preset in PRESETS if name.startswith(preset)), key=len)


def preset_of(name: str) -> str | Preset:
    system = system_of(name)
    return firebase(CONFIG) if system == "firebase" else system


def unrecognised(name: str) -> Preset:
    """The preset as a function of a caller's own, which takes rows without the marks of its system."""
    made = firebase(CONFIG) if name == "firebase" else PRESETS[name]

    def preset(raw: dict[str, Any]) -> dict[str, Any] | None:
        return made(raw)

    return preset


def users_of(name: str) -> dict[str, Any]:
    """By the address's local part."""
    rows = read(SAMPLES / name, preset=preset_of(name))
    return {row.user["email"].partition("@")[0]: row.user for row in rows if isinstance(row, Row)}


def bad_of(name: str) -> list[BadRow]:
    return [row for row in read(SAMPLES / name, preset=preset_of(name)) if isinstance(row, BadRow)]


@pytest.mark.parametrize("name", FILES)
def test_imported_passwords_verify(name: str) -> None:
    users = users_of(name)
    assert len(users) >= 6
    hashes = {who: user["passwordHash"] for who, user in users.items() if "passwordHash" in user}
    assert len(hashes) >= 5
    for who, text in hashes.items():
        stored = accepted(text)
        # The one that Firebase itself made: the example of github.com/firebase/scrypt.
        assert verify("user1password" if who == "user1" else f"{who}'s password", stored), who
        assert not verify("another user's password", stored), who


@pytest.mark.parametrize("name", SAMPLED)
def test_rows_of_each_preset_pass_the_service_checks(name: str) -> None:
    for user in users_of(name).values():
        fields.check(ImportedUser.model_validate(user))


def test_auth0_sample_becomes_users() -> None:
    users = users_of("auth0.jsonl")
    hashed = users["ada"].pop("passwordHash")
    assert hashed.startswith("$2b$")
    assert users["ada"] == {
        "email": "ada@example.com",
        "emailVerified": True,
        "externalId": "auth0|5dea9f9c82dd7c0e76e4ec93",
        "profile": {
            "firstName": "Ada",
            "lastName": "Lovelace",
            "displayName": "Ada Lovelace",
            "picture": "https://s.gravatar.com/avatar/1.png",
        },
        "metadata": {"theme": "dark"},
        "appMetadata": {"plan": "pro", "roles": ["admin"]},
        "createdAt": "2019-12-06T18:36:12.412000Z",
        "updatedAt": "2024-01-01T00:00:00Z",
    }
    assert users["grace"]["emailVerified"] is False
    assert "profile" not in users["grace"]  # The name is the address.
    assert users["alan"]["identities"] == [{"provider": "google-oauth2", "providerId": "113000000000000000001"}]
    assert users["edsger"]["status"] == "BLOCKED"
    assert users["barbara"]["identities"] == [{"provider": "github", "providerId": "4711"}]
    assert users["barbara"]["appMetadata"] == {"username": "liskov", "phone": "+15550100"}
    assert users["zoë"]["metadata"] == {"motto": 'naïve = "yes"'}
    hashes = users_of("auth0-hashes.jsonl")
    assert hashes["ada"]["externalId"] == users["ada"]["externalId"]
    assert hashes["edsger"]["externalId"] == "auth0|edsger"
    assert hashes["dennis"]["emailVerified"] is True
    assert bad_of("auth0-import.json") == []


def test_keycloak_sample_becomes_users() -> None:
    users = users_of("keycloak.json")
    ada = users["ada"]
    assert ada["profile"] == {"firstName": "Ada", "lastName": "Example", "locale": "de", "timezone": "Europe/Vienna"}
    assert ada["appMetadata"] == {
        "attributes": {"plan": "pro", "team": ["a", "b"]},
        "roles": ["default-roles-acme"],
        "groups": ["/staff"],
        "username": "ada",
    }
    assert "metadata" not in ada  # Which users of ours can change.
    assert ada["identities"] == [{"provider": "google", "providerId": "113000000000000000001"}]
    assert ada["createdAt"] == "2023-11-14T22:13:20Z"
    assert users["alan"]["passwordHash"].startswith("$argon2id$v=19$m=7168,t=5,p=1$")
    assert [who for who, user in users.items() if "passwordChangeRequired" in user] == ["edsger"]
    assert users["edsger"]["passwordChangeRequired"] is True
    assert users["edsger"]["emailVerified"] is False
    assert users["barbara"]["status"] == "BLOCKED"
    assert len(users) == 7  # The service account is no user.
    assert bad_of("keycloak.json") == []


@pytest.mark.parametrize("name", ["supabase.json", "supabase.csv"])
def test_supabase_sample_becomes_users(name: str) -> None:
    users = users_of(name)
    assert users["ada"]["identities"] == [{"provider": "google", "providerId": "113000000000000000001"}]
    assert users["ada"]["metadata"] == {"full_name": "Ada"}
    assert users["ada"]["appMetadata"] == {
        "provider": "email",
        "providers": ["email", "google"],
        "plan": "pro",
        "phone": "15550100",
    }
    assert users["ada"]["createdAt"] == "2023-05-01T12:34:50.100000Z"
    assert [who for who, user in users.items() if not user["emailVerified"]] == ["grace"]
    assert [who for who, user in users.items() if user["status"] != "ACTIVE"] == ["edsger"]  # barbara's ban is over.
    assert users["dennis"]["passwordHash"].startswith("$fbscrypt$")
    assert users["zoë"]["metadata"]["motto"] == 'a,\n"b"'
    assert len(users) == 7  # One was deleted.
    assert bad_of(name) == []


def test_clerk_sample_becomes_users() -> None:
    users = users_of("clerk.csv")
    assert users["ada"]["profile"] == {"firstName": "Ada", "lastName": "Example"}
    assert users["ada"]["appMetadata"] == {"username": "ada", "phone": "+15550100"}
    assert [who for who, user in users.items() if not user["emailVerified"]] == ["grace"]
    assert "passwordHash" not in users["dennis"]
    assert users["md5"]["passwordHash"] == "{MD5}CFXRjkn/2jD4h1CXwnF3MQ=="
    assert bad_of("clerk.csv") == []


@pytest.mark.parametrize(("name", "groups"), [("django.json", {"groups": ["editors"]}), ("django.csv", {})])
def test_django_sample_becomes_users(name: str, groups: Any) -> None:
    users = users_of(name)
    assert users["ada"]["appMetadata"] == {"is_staff": True, "is_superuser": True, "username": "ada"} | groups
    assert users["ada"]["externalId"] == "1"
    assert users["ada"]["createdAt"] == "2023-05-01T12:34:56.789000Z"
    assert users["ada"]["emailVerified"] is True
    assert (users["edsger"]["status"], users["edsger"]["emailVerified"]) == ("DEACTIVATED", False)
    assert "appMetadata" not in users["barbara"]  # The name is the address.
    assert "passwordHash" not in users["dennis"]
    assert len(users) == 7
    assert bad_of(name) == []


def test_firebase_sample_becomes_users() -> None:
    users = users_of("firebase.json")
    assert users["ada"]["identities"] == [{"provider": "google.com", "providerId": "113000000000000000001"}]
    assert users["ada"]["appMetadata"] == {"admin": True, "phone": "+15550100"}
    assert users["edsger"]["status"] == "BLOCKED"
    assert [(bad.code, bad.field) for bad in bad_of("firebase.json")] == [("validation_failed", "email")]
    without = list(read(SAMPLES / "firebase.json", preset="firebase"))
    assert [isinstance(row, BadRow) for row in without] == [True, True, True, False, True, True, True]


def row_of(preset: str, raw: dict[str, Any]) -> Row:
    row = next(read([raw], preset=preset))
    assert isinstance(row, Row), row
    return row


def test_ban_whose_end_cannot_be_read_blocks() -> None:
    for until in ("infinity", "tomorrow", "2999-01-01 00:00:00+00"):
        raw = {"id": "1", "email": "a@example.com", "banned_until": until}
        assert row_of("supabase", raw).user["status"] == "BLOCKED", until
    over = row_of("supabase", raw | {"banned_until": "2001-01-01 00:00:00+00"})
    assert over.user["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("preset", "raw", "said"),
    [
        ("auth0", {"email": "a@example.com", "user_metadata": {}}, {"blocked": False}),
        ("supabase", {"email": "a@example.com", "raw_user_meta_data": {}}, {"banned_until": None}),
        ("firebase", {"email": "a@example.com", "localId": "1"}, {"disabled": False}),
        ("better-auth", {"email": "a@example.com", "displayUsername": "a"}, {"banned": None}),
        ("django", {"email": "a@example.com", "is_staff": False}, {"is_active": True}),
        ("kratos", {"traits": {"email": "a@example.com"}}, {"state": "active"}),
        ("fusionauth", {"email": "a@example.com", "insertInstant": 1}, {"active": True}),
        ("cognito", {"email": "a@example.com", "cognito:username": "a"}, {"cognito:user_status": "CONFIRMED"}),
    ],
)
def test_row_without_the_field_of_blocks_says_nothing_of_the_status(
    preset: str, raw: dict[str, Any], said: dict[str, Any]
) -> None:
    # An update by such a row would lift the block that an import set.
    assert "status" not in row_of(preset, raw).user
    assert row_of(preset, raw | said).user["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("preset", "raw", "section", "kept"),
    [
        ("auth0", {"user_metadata": ["x"]}, "metadata", {"user_metadata": ["x"]}),
        ("auth0", {"app_metadata": "x", "user_metadata": {}}, "appMetadata", {"app_metadata": "x"}),
        ("auth0", {"username": {"a": 1}, "user_metadata": {}}, "appMetadata", {"username": {"a": 1}}),
        ("supabase", {"raw_user_meta_data": "["}, "metadata", {"raw_user_meta_data": "["}),
        ("supabase", {"raw_user_meta_data": []}, "metadata", None),
        ("firebase", {"customAttributes": "{", "localId": "1"}, "appMetadata", {"customAttributes": "{"}),
        ("clerk", {"unsafe_metadata": 7, "email_addresses": []}, "metadata", {"unsafe_metadata": 7}),
        ("keycloak", {"attributes": ["x"], "totp": False}, "appMetadata", {"attributes": {"attributes": "x"}}),
    ],
)
def test_metadata_of_another_form_does_not_cost_the_user(
    preset: str, raw: dict[str, Any], section: str, kept: dict[str, Any] | None
) -> None:
    address = {"email": "a@example.com", "primary_email_address": "a@example.com"}
    row = row_of(preset, raw | address)
    assert row.user.get(section) == kept


@pytest.mark.parametrize(
    ("preset", "raw"),
    [
        ("supabase", {"raw_user_meta_data": {}, "identities": [{"provider": "google"}]}),
        ("better-auth", {"displayUsername": "a", "accounts": [{"providerId": "google"}]}),
        ("clerk", {"unsafe_metadata": {}, "external_accounts": [{"provider": "oauth_google"}]}),
        (
            "supertokens",
            {
                "isPrimaryUser": True,
                "id": "1",
                "loginMethods": [{"email": "a@example.com", "thirdParty": {"id": "google"}}],
            },
        ),
        ("fusionauth", {"insertInstant": 1, "identityProviders": {"google": None}}),
    ],
)
def test_identity_without_an_id_is_told(preset: str, raw: dict[str, Any]) -> None:
    address = {"email": "a@example.com", "primary_email_address": "a@example.com"}
    assert "identities" in dict(row_of(preset, raw | address).changed)


def test_supabase_sso_user_keeps_the_identity() -> None:
    row = row_of(
        "supabase",
        {
            "id": "1",
            "email": "s13@example.com",
            "email_confirmed_at": "2023-05-01T12:34:50.1+00:00",
            "raw_app_meta_data": {"provider": "sso:abc"},
            "role": "service_role",
            "is_super_admin": True,
            "is_sso_user": True,
            "identities": [{"provider": "sso:32000000-0000-4000-8000-000000000302", "provider_id": "ada@example.com"}],
        },
    )
    assert row.user["identities"] == [
        {"provider": "sso-32000000-0000-4000-8000-000000000302", "providerId": "ada@example.com"}
    ]
    assert row.user["appMetadata"] == {"provider": "sso:abc", "role": "service_role", "is_super_admin": True}
    assert "identities.provider" in [field for field, _ in row.changed]


def test_anonymous_and_deleted_users_of_supabase_are_left_out() -> None:
    rows = [
        {"id": "1", "email": None, "is_anonymous": True},
        {"id": "2", "email": "a@example.com", "is_anonymous": False, "deleted_at": "2024-01-01"},
    ]
    assert list(read(rows, preset="supabase")) == []


def test_auth0_old_schema_of_hashes_is_read() -> None:
    digest = hashlib.sha1(b"grace's passwordsalt").hexdigest()
    old = {"algorithm": "sha1", "hash": digest, "encoding": "hex", "salt_suffix": "salt"}
    hashed = row_of("auth0", {"email": "a@example.com", "custom_password_hash": old}).user["passwordHash"]
    assert verify("grace's password", accepted(hashed))
    digest = bcrypt.hashpw(b"ada's password", bcrypt.gensalt(5)).decode()
    row = row_of("auth0", {"email": "a@example.com", "custom_password_hash": {"algorithm": "bcrypt", "hash": digest}})
    assert row.user["passwordHash"] == digest


def test_auth0_second_factors_are_told_as_not_taken() -> None:
    raw = {"user_id": "auth0|1", "email": "a@example.com", "multifactor": ["guardian"], "logins_count": 7}
    row = row_of("auth0", raw | {"updated_at": "2024-01-01T00:00:00.000Z", "created_at": "2021-03-05T16:35:16.775Z"})
    told = dict(row.not_taken)
    assert told["multifactor"] == "second factors are not taken over: users set them up again"
    assert told["logins_count"] is None
    assert row.user["updatedAt"] == "2024-01-01T00:00:00Z"


def test_auth0_identity_without_id_does_not_cost_the_user() -> None:
    row = row_of("auth0", {"email": "a@example.com", "identities": [{"provider": "github"}], "logins_count": 1})
    assert "identities" not in row.user
    assert ("identities", "an identity without its provider or the id there is not taken over") in row.changed


def test_keycloak_hash_of_old_versions_is_read() -> None:
    """Until Keycloak 8, salt and hash stood in the credential itself."""
    key = hashlib.pbkdf2_hmac("sha1", b"ada's password", b"sixteen octets !", 1000, 64)
    credential = {
        "type": "password",
        "hashedSaltedValue": base64.b64encode(key).decode(),
        "salt": base64.b64encode(b"sixteen octets !").decode(),
        "hashIterations": 1000,
        "algorithm": "pbkdf2",
    }
    raw = {"email": "a@example.com", "enabled": True, "totp": False, "credentials": [credential]}
    assert verify("ada's password", accepted(row_of("keycloak", raw).user["passwordHash"]))


def test_keycloak_plain_password_is_handed_on() -> None:
    credential = {"type": "password", "value": "a password in the clear", "temporary": True}
    raw = {"email": "a@example.com", "enabled": True, "totp": False, "credentials": [credential]}
    user = row_of("keycloak", raw).user
    assert (user["password"], user["passwordChangeRequired"]) == ("a password in the clear", True)
    assert "passwordHash" not in user


def test_short_password_in_the_clear_does_not_cost_the_user() -> None:
    raw = {
        "email": "a@example.com",
        "enabled": True,
        "totp": False,
        "credentials": [{"type": "password", "value": "grey"}],
    }
    row = row_of("keycloak", raw)
    assert row.user.keys().isdisjoint({"password", "passwordHash"})
    assert dict(row.changed)["password"].startswith("a password in the clear, too short")


def test_keycloak_user_not_said_to_be_enabled_is_blocked_and_told() -> None:
    row = row_of("keycloak", {"email": "a@example.com", "totp": False, "requiredActions": []})
    assert row.user["status"] == "BLOCKED"
    assert "status" in dict(row.changed)
    assert row_of("keycloak", {"email": "a@example.com", "totp": False, "enabled": None}).user["status"] == "BLOCKED"


def test_clerk_support_file_keeps_three_sections_of_metadata() -> None:
    row = row_of(
        "clerk",
        {
            "id": "user_1",
            "primary_email_address": "jane.doe@example.com",
            "email_addresses": ["jane.doe@example.com", "jane@example.com"],
            "password_hasher": "bcrypt",
            "unsafe_metadata": {"theme": "dark"},
            "public_metadata": {"plan": "pro"},
            "private_metadata": {"stripe": "cus_1"},
            "image_url": "https://img.example.com/1.png",
            "totp_secret": "JBSWY3DPEHPK3PXP",
        },
    )
    assert row.user["metadata"] == {"theme": "dark"}
    assert row.user["appMetadata"] == {"plan": "pro", "stripe": "cus_1"}
    assert row.user["profile"] == {"picture": "https://img.example.com/1.png"}
    assert row.user["emailVerified"] is False
    assert dict(row.changed)["emailVerified"].startswith("the file does not say whether")
    assert "totp_secret" in dict(row.not_taken)


def test_clerk_users_of_the_api_keep_holds_and_identities() -> None:
    raw = {
        "id": "user_1",
        "object": "user",
        "primary_email_address_id": "idn_2",
        "email_addresses": [
            {"id": "idn_1", "email_address": "old@example.com", "verification": {"status": "unverified"}},
            {"id": "idn_2", "email_address": "jane@example.com", "verification": {"status": "verified"}},
        ],
        "external_accounts": [{"provider": "oauth_google", "provider_user_id": "113"}],
        "banned": True,
        "created_at": 1700000000000,
    }
    user = row_of("clerk", raw).user
    assert (user["email"], user["emailVerified"], user["status"]) == ("jane@example.com", True, "BLOCKED")
    assert user["identities"] == [{"provider": "google", "providerId": "113"}]
    assert row_of("clerk", raw | {"banned": False}).user["status"] == "ACTIVE"
    del raw["banned"]
    assert "status" not in row_of("clerk", raw).user
    assert row_of("clerk", raw | {"banned": False, "locked": True}).user["status"] == "BLOCKED"


def test_auth0_identifier_verifies_its_own_address_only() -> None:
    raw: dict[str, Any] = {"user_metadata": {}, "email_verified": False, "email": "a@example.com"}
    for value, verified in (("a@example.com", True), ("b@example.com", False)):
        identifiers = [{"type": "email", "value": value, "verified": True}]
        assert row_of("auth0", raw | {"identifiers": identifiers}).user["emailVerified"] is verified


def test_clerk_further_addresses_are_told() -> None:
    raw = {"id": "1", "primary_email_address": "a@example.com", "verified_email_addresses": "a@example.com"}
    assert "email" not in dict(row_of("clerk", raw).changed)
    assert "email" in dict(row_of("clerk", raw | {"unverified_email_addresses": "b@example.com"}).changed)


# Users could write any attribute until Keycloak 24, and FusionAuth's `data` and Cognito's `custom:*` where an operator
# lets them: no back end may take such a value for a right.
@pytest.mark.parametrize(
    ("preset", "raw", "kept"),
    [
        (
            "keycloak",
            {"enabled": True, "totp": False, "username": "a", "attributes": {"roles": ["admin"], "username": ["root"]}},
            {"attributes": {"roles": "admin", "username": "root"}, "username": "a"},
        ),
        ("fusionauth", {"active": True, "memberships": [], "data": {"roles": ["x"]}}, {"data": {"roles": ["x"]}}),
        ("cognito", {"cognito:username": "ada", "custom:role": "admin"}, {"custom:role": "admin", "username": "ada"}),
    ],
)
def test_value_that_users_may_have_written_stands_for_no_right(
    preset: str, raw: dict[str, Any], kept: dict[str, Any]
) -> None:
    row = row_of(preset, {"email": "a@example.com"} | raw)
    assert row.user["appMetadata"] == kept
    assert [name for name, message in row.changed if "let users write" in message]


def test_cognito_standard_attributes_stay_with_the_user_and_dev_ones_with_the_operator() -> None:
    raw = {"cognito:username": "a", "email": "a@example.com", "nickname": "Ada", "dev:custom:plan": "pro"}
    user = row_of("cognito", raw).user
    assert (user["metadata"], user["appMetadata"]) == ({"nickname": "Ada"}, {"plan": "pro", "username": "a"})


def test_keycloak_required_actions_without_a_field_are_kept() -> None:
    actions = ["UPDATE_PASSWORD", "VERIFY_EMAIL", "TERMS_AND_CONDITIONS"]
    raw = {"email": "a@example.com", "enabled": True, "emailVerified": True, "requiredActions": actions}
    user = row_of("keycloak", raw).user
    assert user["appMetadata"] == {"requiredActions": ["TERMS_AND_CONDITIONS"]}
    assert (user["passwordChangeRequired"], user["emailVerified"]) == (True, False)


def test_django_user_model_of_a_project_is_read() -> None:
    fields = {"password": "!x", "email": "newuser@example.com", "name": "New User", "is_active": True}
    user = row_of("django", {"model": "users.user", "pk": "3ba168a8", "fields": fields}).user
    assert user["profile"] == {"displayName": "New User"}
    assert user["emailVerified"] is True
    said = row_of("django", {"model": "users.user", "pk": 1, "fields": fields | {"is_verified": False}}).user
    assert said["emailVerified"] is False
    del fields["is_active"]
    row = row_of("django", {"model": "users.user", "pk": 1, "fields": fields})
    assert row.user["emailVerified"] is False
    assert "emailVerified" in dict(row.changed)


@pytest.mark.parametrize(
    ("said", "verified"),
    [
        ({"email_verified": None}, False),
        ({"email_verified_at": None}, False),
        ({"email_verified_at": "2024-01-01T00:00:00Z"}, True),
        ({"is_email_confirmed": False}, False),
        ({"verified": "t", "email_validated": "f"}, False),
        ({"phone_verified": False}, True),
    ],
)
def test_django_field_that_says_no_keeps_an_active_user_unverified(said: dict[str, Any], verified: bool) -> None:
    fields = {"password": "!x", "email": "ada@example.com", "is_active": True} | said
    user = row_of("django", {"model": "users.user", "pk": 1, "fields": fields}).user
    assert user["emailVerified"] is verified


@pytest.mark.parametrize("cell", ["", "NULL"])
def test_empty_cell_of_django_verifies_no_address(cell: str) -> None:
    text = f"id,email,is_staff,is_active,email_verified_at\n1,ada@example.com,f,t,{cell}\n"
    (row,) = read(io.BytesIO(text.encode()), preset="django")
    assert isinstance(row, Row)
    assert row.user["emailVerified"] is False


def test_django_model_without_email_is_refused_and_others_left_out() -> None:
    fields = {"password": "!x", "username": "ada@example.com", "is_active": True}
    rows: list[dict[str, Any]] = [
        {"model": "accounts.account", "pk": 7, "fields": fields},
        {"model": "auth.group", "pk": 1, "fields": {"name": "readers", "permissions": []}},
    ]
    (bad,) = read(rows, preset="django")
    assert isinstance(bad, BadRow)
    assert (bad.field, "has no field email" in bad.message) == ("email", True)


# allauth.account.models.EmailAddress, in fixtures of projects: before the users or behind them, with natural keys too.
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("owner", "address", "said", "verified"),
    [
        (7, "Ada@example.com", True, True),
        (["ada"], "ada@example.com", True, True),
        (["ada@example.com"], "ada@example.com", True, True),
        (7, "ada@example.com", False, False),
        (7, "old@example.com", True, False),
        (8, "ada@example.com", True, False),
        (8, "bob@example.com", True, None),
    ],
)
def test_allauth_says_whether_an_address_is_verified(
    first: bool, owner: object, address: str, said: bool, verified: bool | None
) -> None:
    fields = {"password": "!x", "email": "ada@example.com", "username": "ada", "is_active": True}
    user = {"model": "auth.user", "pk": 7, "fields": fields}
    of_allauth = {"user": owner, "email": address, "verified": said, "primary": True}
    email = {"model": "account.emailaddress", "pk": 1, "fields": of_allauth}
    rows = list(read([email, user] if first else [user, email], preset="django"))
    assert [row.user["emailVerified"] for row in rows if isinstance(row, Row)] == [verified is not False]


def test_dump_of_django_keeps_its_lines() -> None:
    fields = {"password": "!x", "email": "ada@example.com", "is_active": True}
    rows = [{"model": "auth.user", "pk": pk, "fields": fields | {"email": f"u{pk}@example.com"}} for pk in range(300)]
    read_back = [row for row in read(rows, preset="django") if isinstance(row, Row)]
    assert [(row.line, row.user["externalId"]) for row in read_back] == [(pk + 1, str(pk)) for pk in range(300)]


@pytest.mark.parametrize(
    ("preset", "raw", "status"),
    [
        ("supabase", {"aud": "x", "app_metadata": {}, "user_metadata": {}, "is_anonymous": False}, "ACTIVE"),
        ("supabase", {"user_metadata": {}, "is_anonymous": False}, None),
        ("supabase", {"raw_user_meta_data": {}}, None),
        ("supabase", {"raw_user_meta_data": {}, "banned_until": None}, "ACTIVE"),
        ("wordpress", {"user_login": "a", "user_status": "0"}, "ACTIVE"),
        ("wordpress", {"user_login": "a"}, None),
        ("ldif", {"dn": "cn=a", "objectclass": "person", "useraccountcontrol": "512"}, "ACTIVE"),
        ("ldif", {"dn": "cn=a", "objectclass": "person", "structuralobjectclass": "person"}, "ACTIVE"),
        ("ldif", {"dn": "cn=a", "objectclass": "person"}, None),
    ],
)
def test_hold_that_ended_is_said_only_by_a_file_that_tells_it(
    preset: str, raw: dict[str, Any], status: str | None
) -> None:
    """So that an update lifts it, and no update by a file of chosen fields does."""
    address = {"wordpress": "user_email", "ldif": "mail"}.get(preset, "email")
    assert row_of(preset, {address: "a@example.com"} | raw).user.get("status") == status


def test_firebase_users_of_the_admin_sdk_are_read() -> None:
    raw = {
        "uid": "u1",
        "email": "ada@example.com",
        "emailVerified": True,
        "displayName": "Ada",
        "photoURL": "https://example.com/ada.png",
        "disabled": True,
        "customClaims": {"admin": True},
        "tokensValidAfterTime": "Wed, 01 May 2024 12:00:00 GMT",
        "providerData": [{"uid": "113", "providerId": "google.com"}, {"uid": "a@b.c", "providerId": "password"}],
    }
    user = row_of("firebase", raw).user
    assert (user["externalId"], user["status"]) == ("u1", "BLOCKED")
    assert user["profile"] == {"displayName": "Ada", "picture": "https://example.com/ada.png"}
    assert user["appMetadata"] == {"admin": True}
    assert user["identities"] == [{"provider": "google.com", "providerId": "113"}]


_SHOWN = """hash_config {
  algorithm: SCRYPT,
  base64_signer_key: a+/=,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}"""


@pytest.mark.parametrize(
    "text",
    [
        _SHOWN,
        _SHOWN.replace("\n", "\r\n"),
        _SHOWN.removeprefix("hash_config").replace("algorithm: SCRYPT,", ""),
        '{"algorithm":"SCRYPT","base64_signer_key":"a+/=", "base64_salt_separator": "Bw==", "rounds":8,"mem_cost":14 }',
    ],
)
def test_firebase_hash_parameters_are_parsed(text: str) -> None:
    assert HashConfig.parse(text) == HashConfig("a+/=", "Bw==", 8, 14)
    assert "a+/=" not in repr(HashConfig.parse(text))
    for spoilt in (text.replace("8", "eight"), text.replace("signer", "other"), f"{text} algorithm: BCRYPT"):
        with pytest.raises(ValueError, match="hash parameters") as raised:
            HashConfig.parse(spoilt)
        assert "a+/=" not in str(raised.value)


_NAMES = st.sampled_from(
    [
        "email", "user_id", "_id", "custom_password_hash", "algorithm", "hash", "value", "encoding", "salt",
        "identities", "identifiers", "credentials", "secretData", "credentialData", "type", "attributes",
        "requiredActions", "createdTimestamp", "federatedIdentities", "raw_user_meta_data", "banned_until",
        "password_digest", "password_hasher", "model", "fields", "password", "date_joined", "groups", "passwordHash",
        "providerUserInfo",
        "customAttributes", "createdAt", "created_at", "app_metadata", "enabled", "is_active", "pk",
    ]
)  # fmt: skip
_EARLIEST = "0001-01-01T00:00:00+14:00"  # In UTC, there is no such time.
_THINGS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["canary", "{}", "[1]", '{"salt": "x"}', "pbkdf2", "scrypt", "password", _EARLIEST]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("auth0", {"email": "a", "_id": {"oid": 1}}),
        (
            "auth0",
            {"email": "a", "custom_password_hash": {"algorithm": "sha1", "hash": {"value": "x"}, "password": "y"}},
        ),
        ("keycloak", {"email": "a", "credentials": [{"type": "password", "secretData": "{}", "credentialData": "{}"}]}),
        ("supabase", {"email": "a", "identities": "["}),
        ("clerk", {"email": "a", "password_digest": "pbkdf2_sha1$x$salt$00", "password_hasher": "pbkdf2_sha1"}),
        ("django", {"email": "a", "is_active": "perhaps"}),
        ("firebase", {"email": "a", "providerUserInfo": [1]}),
    ],
)
def test_row_of_another_form_is_a_bad_row(name: str, raw: dict[str, Any]) -> None:
    good = {"email": "b", "primary_email_address": "b", "password": ""}
    bad, row = read([raw, good], preset=unrecognised(name))  # Without the marks of its system.
    assert isinstance(bad, BadRow)
    assert bad.code == "validation_failed"
    assert isinstance(row, Row)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_NAMES, _THINGS, max_size=6))
def test_any_row_yields_a_row_or_a_bad_row(raw: dict[str, Any]) -> None:
    for name in PRESETS:  # Of each row: to make one costs far more than to read it.
        for row in read([raw], preset=unrecognised(name)):
            assert isinstance(row, Row | BadRow), name
            assert isinstance(row, Row) or "canary" not in repr(row), name

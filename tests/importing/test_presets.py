"""Other systems' exports become users of ours, whose passwords still fit: in the samples, ada's is `ada's password`."""

from pathlib import Path
from typing import Any

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


def preset_of(name: str) -> str | Preset:
    system = name.replace("-", ".").split(".")[0]
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
        assert not verify("somebody's password", stored), who


@pytest.mark.parametrize("name", FILES)
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
    assert [(bad.code, bad.field) for bad in bad_of("auth0-import.json")] == [("validation_failed", "passwordHash")]


def test_keycloak_sample_becomes_users() -> None:
    users = users_of("keycloak.json")
    ada = users["ada"]
    assert ada["profile"] == {"firstName": "Ada", "lastName": "Example", "locale": "de", "timezone": "Europe/Vienna"}
    assert ada["appMetadata"] == {
        "plan": "pro",
        "team": ["a", "b"],
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
    assert [who for who, user in users.items() if "status" in user] == ["edsger"]  # barbara's ban is over.
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
    assert [(bad.line, bad.code, bad.field) for bad in bad_of("clerk.csv")] == [
        (9, "validation_failed", "passwordHash")
    ]


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
        ("auth0", {"email": "a", "_id": None}),
        (
            "auth0",
            {"email": "a", "custom_password_hash": {"algorithm": "sha1", "hash": {"value": "x"}, "password": "y"}},
        ),
        ("auth0", {"email": "a", "identities": [{"provider": "x"}]}),
        ("keycloak", {"email": "a", "credentials": [{"type": "password", "secretData": "{}", "credentialData": "{}"}]}),
        ("supabase", {"email": "a", "raw_user_meta_data": "["}),
        ("supabase", {"email": "a", "banned_until": "tomorrow"}),
        ("clerk", {"email": "a", "password_digest": "pbkdf2_sha1$x$salt$00", "password_hasher": "pbkdf2_sha1"}),
        ("django", {"email": "a", "is_active": "perhaps"}),
        ("firebase", {"email": "a", "providerUserInfo": {"rawId": 1}}),
    ],
)
def test_row_of_another_form_is_a_bad_row(name: str, raw: dict[str, Any]) -> None:
    good = {"email": "b", "primary_email_address": "b", "password": ""}
    bad, row = read([raw, good], preset=unrecognised(name))  # Without the marks of its system.
    assert isinstance(bad, BadRow)
    assert bad.code == "validation_failed"
    assert isinstance(row, Row)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_NAMES, _THINGS, max_size=6))
@pytest.mark.parametrize("name", PRESETS)
def test_any_row_yields_a_row_or_a_bad_row(name: str, raw: dict[str, Any]) -> None:
    for row in read([raw], preset=unrecognised(name)):
        assert isinstance(row, Row | BadRow)
        assert isinstance(row, Row) or "canary" not in repr(row)

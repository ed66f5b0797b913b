"""Others' hashes in our forms: known answers of those who made them, and the bounds of what is let in."""

import base64
import hashlib
import json
import time
from collections.abc import Callable

import pytest
from denizen.importing import HashConfig, hashes
from denizen.importing.hashes import UnfitHash
from denizen.importing.rows import Unfit

from services.passwords.formats import HashRejected, accepted, verify

SIGNER = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
DIGEST = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
FIREBASE = f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={SIGNER}$42xEC+ixf3L2lw==${DIGEST}"
"""Of the README of github.com/firebase/scrypt."""
GOTRUE = (
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,"
    "sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw=="
    "$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw=="
)
"""Of the tests of Supabase's GoTrue (internal/crypto)."""


def accepted_text(text: str | UnfitHash) -> str:
    assert isinstance(text, str)
    return accepted(text)


@pytest.mark.parametrize(("password", "known"), [("user1password", FIREBASE), ("mytestpassword", GOTRUE)])
def test_firebase_hash_verifies(password: str, known: str) -> None:
    assert accepted(known) == known
    assert verify(password, known)
    assert not verify(f"{password}1", known)
    assert not verify(password[:-1], known)


def test_firebase_hash_in_other_spellings_verifies() -> None:
    assert hashes.firebase(HashConfig(SIGNER), "42xEC+ixf3L2lw==", DIGEST) == FIREBASE
    websafe = DIGEST.replace("+", "-").replace("/", "_").rstrip("=")
    assert hashes.firebase(HashConfig(SIGNER), "42xEC-ixf3L2lw", websafe) == FIREBASE
    assert hashes.clerk("scrypt_firebase", f"{DIGEST}$42xEC+ixf3L2lw==${SIGNER}$Bw==$8$14") == FIREBASE


@pytest.mark.parametrize(
    ("part", "spoilt"),
    [
        ("v=1", "v=2"),
        (f"sk={SIGNER}", "sk="),  # It would be enciphered to nothing, by any password.
        (f"sk={SIGNER}", "sk=jw=="),
        (f"sk={SIGNER}", f"sk={SIGNER[:-3]}B=="),  # unused bits set
        (DIGEST, ""),
        (DIGEST, f"{DIGEST[:-3]}R=="),
        ("42xEC+ixf3L2lw==", ""),
        ("42xEC+ixf3L2lw==", "42xEC+ixf3L2l"),
        ("42xEC+ixf3L2lw==", "A" * 400),
        ("ss=Bw==", "ss=B"),
        ("n=14", "n=0"),
    ],
)
def test_malformed_firebase_hash_is_refused(part: str, spoilt: str) -> None:
    text = FIREBASE.replace(part, spoilt)
    assert text != FIREBASE
    with pytest.raises(HashRejected, match=r"the Firebase scrypt hash is malformed|a format that we know"):
        accepted(text)
    assert not verify("user1password", text)


@pytest.mark.parametrize(
    ("dearest", "too_dear"),
    [
        ("n=17,r=8,p=1,", "n=17,r=8,p=2,"),
        ("n=14,r=8,p=8,", "n=30,r=8,p=1,"),
        ("n=9,r=32,p=16,", "n=1,r=536870912,p=1,"),
    ],
)
def test_hash_above_the_cost_bound_is_refused(dearest: str, too_dear: str) -> None:
    text = FIREBASE.replace("n=14,r=8,p=1,", dearest)
    assert accepted(text) == text
    began = time.thread_time()
    with pytest.raises(HashRejected, match="costs too much"):
        accepted(FIREBASE.replace("n=14,r=8,p=1,", too_dear))
    assert time.thread_time() - began < 0.1


def test_costliest_accepted_hash_verifies() -> None:
    """It needs 128 MiB, which the library does not take without being told."""
    assert not verify("user1password", FIREBASE.replace("n=14,", "n=17,"))
    key = hashlib.scrypt(b"secret", salt=b"salt\x07", n=1 << 17, r=8, p=1, maxmem=1 << 28, dklen=32)
    assert verify("secret", _firebase_by_hand(key, b"salt"))


def _firebase_by_hand(key: bytes, salt: bytes) -> str:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    signer = base64.b64decode(SIGNER)
    digest = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(signer)
    digest64, salt64 = base64.b64encode(digest).decode(), base64.b64encode(salt).decode()
    return accepted(f"$fbscrypt$v=1,n=17,r=8,p=1,ss=Bw==,sk={SIGNER}${salt64}${digest64}")


def test_longer_scrypt_hash_is_cut_to_32_octets() -> None:
    """RFC 7914's second vector, and as much as others may have made."""
    known = "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI"
    for size in (32, 64, 128):
        key = hashlib.scrypt(b"password", salt=b"NaCl", n=1024, r=8, p=16, dklen=size)
        assert accepted(hashes.scrypt(1024, 8, 16, b"NaCl", key)) == known
    with pytest.raises(Unfit):
        hashes.scrypt(1024, 8, 16, b"NaCl", key[:15])


def test_keycloak_hash_verifies() -> None:
    """Made by Keycloak 9 (dev.to/oskarspakers); and 64 octets of SHA-256, as Keycloak makes them since."""
    data = {"hashIterations": 27500, "algorithm": "pbkdf2-sha256"}
    secret = {"salt": "x/bm4Y3DcuV9eU97ervkPA==", "value": "1u7BLvfSPxQFpwc5jpGSA+88EGl9pZYKhaZ8YPIu9N4="}
    stored = accepted_text(hashes.keycloak(secret, data))
    assert verify("admin", stored)
    assert not verify("admin1", stored)
    salt = base64.b64decode(secret["salt"])
    long = hashlib.pbkdf2_hmac("sha256", b"admin", salt, 27500, 64)
    assert accepted_text(hashes.keycloak(secret | {"value": base64.b64encode(long).decode()}, data)) == stored


def test_keycloak_argon2_hash_verifies() -> None:
    """The reference implementation's vector, taken apart as Keycloak does."""
    known = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
    more = {"hashLength": ["32"], "memory": ["256"], "type": ["id"], "version": ["1.3"], "parallelism": ["2"]}
    data = {"hashIterations": 2, "algorithm": "argon2", "additionalParameters": more}
    text = hashes.keycloak({"salt": "c29tZXNhbHQ=", "value": "bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc="}, data)
    assert accepted_text(text) == known
    assert verify("password", known)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"algorithm": "md4", "hash": {"value": "canary", "encoding": "hex"}}, "md4"),
        ({"algorithm": "md5", "hash": {"value": "canary", "encoding": "hex"}}, "md5"),
        ({"algorithm": "hmac", "hash": {"value": "canary", "digest": "sha256", "key": {"value": "canary"}}}, "HMAC"),
        (
            {
                "algorithm": "sha256",
                "hash": {"value": "00" * 31, "encoding": "hex"},
                "salt": {"value": "canary", "position": "suffix"},
            },
            "sha256",
        ),
        ({"algorithm": "pbkdf2", "hash": {"value": "$pbkdf2-md5$i=1000,l=16$c2FsdA$AAAA"}}, "PBKDF2"),
        ({"algorithm": "pbkdf2", "hash": {"value": "$pbkdf2-sha256$i=1000,l=16$c2FsdA$AAAA"}}, "PBKDF2"),
        (
            {
                "algorithm": "scrypt",
                "hash": {"value": "00" * 64, "encoding": "hex"},
                "salt": {"value": "s"},
                "cost": 1000,
            },
            "scrypt",
        ),
        ({"algorithm": "bcrypt", "hash": {"value": "canary"}, "password": {"encoding": "utf16le"}}, "bcrypt"),
        ({"algorithm": "sha1"}, "sha1"),
        ({"algorithm": "canary"}, "an algorithm that Auth0 does not name"),
    ],
    ids=json.dumps,
)
def test_unsupported_auth0_hash_is_unfit_and_names_its_algorithm(given: dict[str, object], named: str) -> None:
    unfit = hashes.auth0(given)
    assert isinstance(unfit, UnfitHash)
    assert named in unfit.message
    assert "canary" not in unfit.message


def auth0(algorithm: str, value: str, encoding: str = "hex", **more: object) -> dict[str, object]:
    return {"algorithm": algorithm, "hash": {"value": value, "encoding": encoding}, **more}


SALT = {"value": "salt"}


@pytest.mark.parametrize(
    "given",
    [
        auth0("md5", "3cb4e732631f47e6eb961f34554b7cde"),
        auth0("sha1", "2f9e53523b62abc141a2b4d6019d23cba835dbd0"),
        auth0("sha256", "jLJYwH64cZQ7StDnVKUCtfw6OJ11/vyRtOAQd47MoBg=", "base64", salt=SALT | {"position": "prefix"}),
        auth0("sha256", "n+NyCAC8BTzorAU7AQEsEfh4qDAh0HpRtPLX0dsQdAo=", "base64", salt=SALT | {"position": "suffix"}),
        {
            "algorithm": "hmac",
            "hash": {
                "value": "955ca3bd5be9681f0de4e366f1d33a17f77dde1ef64f2394b5f939aad39dbe26",
                "encoding": "hex",
                "digest": "sha256",
                "key": {"value": "key", "encoding": "utf8"},
            },
        },
        auth0("ldap", "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A="),
        auth0("ldap", "{MD5}PLTnMmMfR+brlh80VUt83g=="),
        auth0("pbkdf2", "$pbkdf2-sha256$i=1000,l=20$c2FsdHNhbHRzYWx0c2FsdA$BBs+1+PaslLtBPULUr8/lQicvVs", "utf8"),
        auth0(
            "pbkdf2",
            "$pbkdf2-sha512$l=64$c2FsdHNhbHRzYWx0c2FsdA$"
            "Byw7nkAtKTXuj81UG53itgTqoZEs8GqToqbceEw3SpRAuIEBcVlhk8Az9c8eVEiRZaKBHGpEw2x/ERTJWKI5rw",
            "utf8",
        ),
        auth0("scrypt", "07a5fc62617df14f07bab22816eb0cf94a36ca87aa38ca90", salt=SALT, keylen=24),
    ],
    ids=lambda given: given["algorithm"],
)
def test_auth0_hash_verifies_its_password_only(given: dict[str, object]) -> None:
    """Rows of an import file of Auth0's, whose password is known."""
    text = hashes.auth0(given)
    assert isinstance(text, str)
    assert verify("correct horse", accepted(text))
    assert not verify("correct hors", accepted(text))


def test_fusionauth_hash_verifies() -> None:
    """Of FusionAuth's load tests, and of its import scripts."""
    text = hashes.fusionauth("salted-sha256", 1, "ZjFuZDFuZ24zbTA=", "KGRZ7l/GeMtj2oQVXXatV4ODFXgpJA8iW6z1Kzvr0FQ=")
    assert isinstance(text, str)
    assert verify("password123", accepted(text))
    assert not verify("password12", accepted(text))
    text = hashes.fusionauth("bcrypt", 12, "Oa88b1GmziTesQzGkMSYyu", "wSMHfHu84ns5n4WeGY0Jn.ZwZsLj3zC")
    assert isinstance(text, str)
    assert accepted(text) == "$2a$12$Oa88b1GmziTesQzGkMSYyuwSMHfHu84ns5n4WeGY0Jn.ZwZsLj3zC"
    assert hashes.fusionauth("salted-md5", 24000, "c2FsdA==", "AAAA") == UnfitHash(
        "salted-md5 hashes of more than one round are not accepted"
    )


@pytest.mark.parametrize(
    "made",
    [
        lambda: hashes.clerk("sha512_symfony", "canary"),
        lambda: hashes.clerk("canary", "canary"),
        lambda: hashes.keycloak({"salt": "canary"}, {"algorithm": "pbkdf2", "hashIterations": 1}),
        lambda: hashes.keycloak({"salt": "c2FsdA==", "value": "AAAA"}, {"algorithm": "canary", "hashIterations": 1}),
        lambda: hashes.firebase(HashConfig(SIGNER), "c\u00e4nary", "canary"),
    ],
)
def test_hash_of_no_known_form_is_unfit(made: Callable[[], str | UnfitHash]) -> None:
    unfit = made()
    assert isinstance(unfit, UnfitHash)
    assert "canary" not in unfit.message

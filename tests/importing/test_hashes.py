"""Others' hashes in our forms: known answers of those who made them, and the bounds of what is let in."""

import base64
import hashlib
import json
import time

import pytest
from denizen.importing import HashConfig, hashes
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
        hashes.scrypt(1024, 8, 16, b"NaCl", key[:31])


def test_keycloak_hash_verifies() -> None:
    """Made by Keycloak 9 (dev.to/oskarspakers); and 64 octets of SHA-256, as Keycloak makes them since."""
    data = {"hashIterations": 27500, "algorithm": "pbkdf2-sha256"}
    secret = {"salt": "x/bm4Y3DcuV9eU97ervkPA==", "value": "1u7BLvfSPxQFpwc5jpGSA+88EGl9pZYKhaZ8YPIu9N4="}
    stored = accepted(hashes.keycloak(secret, data))
    assert verify("admin", stored)
    assert not verify("admin1", stored)
    salt = base64.b64decode(secret["salt"])
    long = hashlib.pbkdf2_hmac("sha256", b"admin", salt, 27500, 64)
    assert accepted(hashes.keycloak(secret | {"value": base64.b64encode(long).decode()}, data)) == stored


def test_keycloak_argon2_hash_verifies() -> None:
    """The reference implementation's vector, taken apart as Keycloak does."""
    known = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
    more = {"hashLength": ["32"], "memory": ["256"], "type": ["id"], "version": ["1.3"], "parallelism": ["2"]}
    data = {"hashIterations": 2, "algorithm": "argon2", "additionalParameters": more}
    text = hashes.keycloak({"salt": "c29tZXNhbHQ=", "value": "bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc="}, data)
    assert accepted(text) == known
    assert verify("password", known)


@pytest.mark.parametrize(
    "given",
    [
        {"algorithm": "md5", "hash": {"value": "canary", "encoding": "hex"}},
        {"algorithm": "hmac", "hash": {"value": "canary", "digest": "sha256", "key": {"value": "canary"}}},
        {"algorithm": "sha256", "hash": {"value": "00" * 32, "encoding": "hex"}},
        {
            "algorithm": "sha256",
            "hash": {"value": "00" * 32, "encoding": "hex"},
            "salt": {"value": "canary", "position": "prefix"},
        },
        {
            "algorithm": "sha256",
            "hash": {"value": "00" * 31, "encoding": "hex"},
            "salt": {"value": "canary", "position": "suffix"},
        },
        {"algorithm": "pbkdf2", "hash": {"value": "$pbkdf2-md5$i=1000,l=16$c2FsdA$AAAA"}},
        {"algorithm": "pbkdf2", "hash": {"value": "$pbkdf2-sha256$i=1000,l=16$c2FsdA$AAAA"}},
        {"algorithm": "scrypt", "hash": {"value": "00" * 64, "encoding": "hex"}, "salt": {"value": "s"}, "cost": 1000},
        {"algorithm": "bcrypt", "hash": {"value": "canary"}, "password": {"encoding": "utf16le"}},
    ],
    ids=json.dumps,
)
def test_unsupported_auth0_hash_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(Unfit) as unfit:
        hashes.auth0(given)
    assert unfit.value.field == "passwordHash"
    assert "canary" not in str(unfit.value)

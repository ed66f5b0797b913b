"""Known answers of every format of hash, from those who defined it; how a hash is stored; and what does not fit."""

import base64
import hashlib
import unicodedata
from collections.abc import Callable
from typing import Any, cast

import bcrypt
import pytest
from argon2 import Parameters, PasswordHasher, Type, profiles
from hypothesis import given, settings
from hypothesis import strategies as st
from passlib import registry

from services.passwords.formats import HashRejected, accepted, fitting, is_current, verify

TABLE = "t\u00e1\u0411\u2113\u0259"  # libpass's tests: more than one octet a character
LETMEIN = "lètmein"  # Django's tests
DIGITS = "0123456789" * 26


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode().rstrip("=").replace("+", ".")


KNOWN = [
    # argon2: test.c of the reference implementation (P-H-C/phc-winner-argon2); version 0x10 has no v=
    ("password", "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"),
    ("password", "$argon2i$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs"),
    ("password", "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$T/XOJ2mh1/TIpJHfCdQan76Q5esCFVoT5MAeIM1Oq2E"),
    ("password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
    ("differentpassword", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94"),
    ("password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
    ("password", "$argon2d$v=19$m=102400,t=2,p=8$g2RodLh8j8WbSdCp+lUy/A$zzAJqL/HSjm809PYQu6qkA"),  # libpass
    (TABLE, "$argon2i$v=19$m=512,t=2,p=2$1sV0O4PWLtc12Ypv1f7oGw$z+yqzlKtrq3SaNfXDfIDnQ"),  # libpass
    # bcrypt: openwall.com/crypt 1.2, py-bcrypt, John the Ripper
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
    ("abc", "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi"),
    ("\u0451", "$2y$05$6bNw2HLQYeqHYyBfLMsv/OUcZd0LKP39b87nBw3.S2tVZSqiQX6eu"),  # CVE-2011-2483
    (TABLE, "$2b$05$Z17AXnnlpzddNUvnC6cZNOSwMA/8oNiKnHTHTwLlBijfucQQlHjaG"),
    (
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
    ),
    (DIGITS[:254], "$2a$04$R1lJ2gkNaoPGdafE.H.16.1MKHPvmKwryeulRe225LKProWYwt9Oi"),  # OpenBSD's wraparound
    (DIGITS[:256], "$2a$04$R1lJ2gkNaoPGdafE.H.16.1MKHPvmKwryeulRe225LKProWYwt9Oi"),
    # scrypt: RFC 7914, section 12
    ("", "$scrypt$ln=4,r=1,p=1$$d9ZXYjhleyA7GcpCwYoEl/FrSETjB0ro39/6P+3iFEI"),
    ("password", "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI"),
    ("pleaseletmein", "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI"),
    # PBKDF2: RFC 6070 (SHA-1), RFC 7914 section 11 (SHA-256), libpass
    ("password", f"$pbkdf2$4096${b64(b'salt')}${b64(bytes.fromhex('4b007901b765489abead49d926f721d065a429c1'))}"),
    (
        "Password",
        f"$pbkdf2-sha256$80000${b64(b'NaCl')}$"
        + b64(bytes.fromhex("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56")),
    ),
    ("password", "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"),
    (
        "password",
        (
            "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$"
            "eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww"
        ),
    ),
    # sha-crypt: akkadia.org/drepper/SHA-crypt.txt
    ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    ("This is just a test", "$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5"),
    ("a short string", "$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD"),
    (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (
        "This is just a test",
        (
            "$6$rounds=5000$toolongsaltstrin$"
            "lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0"
        ),
    ),
    (
        "we have a short salt string but not a short password",
        "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0",
    ),
    # md5-crypt: John the Ripper; phpass: its 0.3 source, John the Ripper
    ("U*U*U*U*", "$1$dXc3I7Rw$ctlgjDdWJLMT.qwHsWhXR1"),
    ("", "$1$Eu.GHtia$CFkL/nE1BYTlEPiVx1VWX0"),
    ("test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
    ("123456", "$H$9PE8jEklgZhgLmZl5.HYJAzfGCQtzi1"),
    ("JohnRipper", "$P$B12345678L6Lpt4BxNotVIMILOa9u81"),
    # LDAP: libpass; the third of SHA-512 was made by a server
    ("testing123", "{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr"),
    ("test", "{SSHA}Pfx6Vf48AT9x3FVv8znbo8WQkEVSipHSWovxXmvNWUvp/d/7"),
    ("letm\xe8\xefn", "{SSHA256}km7UjUTBZN8a+gf1ND2/qn15N7LsO/jmGYJXvyTfJKAbI0RoLWWslQ=="),
    (
        "toomanysecrets",
        "{SSHA512}wExp4xjiCHS0zidJDC4UJq9EEeIebAQPJ1PWSwfhxWjfutI9XiiKuHm2AE41cEFfK+8HyI8bh+ztbczUGsvVFIgICWWPt7qu",
    ),
]

RESPELLED = [
    # Django: tests/auth_tests/test_hashers.py, and libpass's of it
    (
        LETMEIN,
        "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=",
        "$pbkdf2-sha256$390000$c2Vhc2FsdA$8xBlGd3jVgvJ.92hWPxi5ww0uuAuAnKgC45eudxro7c",
    ),
    (
        "not a password",
        "pbkdf2_sha1$10000$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I=",
        "$pbkdf2$10000$d3o1QjZXa2FzUm9G$atJmJ1o.XfJxKq1.Nu1f1i57Z5I",
    ),
    (
        "secret",
        (
            "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$"
            "gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg"
        ),
        (
            "$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$"
            "gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg"
        ),
    ),
    (
        "secret",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw",
        "$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw",
    ),
    (
        LETMEIN,
        (
            "scrypt$16384$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f"
            "/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw=="
        ),
        "$scrypt$ln=14,r=8,p=5$c2Vhc2FsdA$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/s",
    ),
    (
        "abcdefghijklmnopqrstuvwxyz",
        "bcrypt$$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq",
        "$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq",
    ),
    (
        LETMEIN,
        "bcrypt_sha256$$2a$08$NDjSAIcas.EcoxCRiArvT.MkNiPYVhrsrnJsRkLueZOoV1bsQqlmC",
        "bcrypt_sha256$$2a$08$NDjSAIcas.EcoxCRiArvT.MkNiPYVhrsrnJsRkLueZOoV1bsQqlmC",
    ),
    # LDAP
    ("test", "{CRYPT}$1$SuMrG47N$ymvzYjr7QcEQjaK5m1PGx1", "$1$SuMrG47N$ymvzYjr7QcEQjaK5m1PGx1"),
    (
        "password",
        "{PBKDF2}1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI",
        "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI",
    ),
    ("secret", "{ssha}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7", "{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7"),
    # Spring
    (
        "U*U",
        "{bcrypt}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ),
    # Rubbish in the unused bits of bcrypt's salt and digest: libpass, from its issue 25
    (
        "test",
        "$2a$04$oaQbBqq8JnSM1NHRPQGXORY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO",
        "$2a$04$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO",
    ),
    (
        "test",
        "$2a$04$yjDgE74RJkeqC0/1NheSSOrvKeu9IbKDpcQf/Ox3qsrRS/Kw42qIV",
        "$2a$04$yjDgE74RJkeqC0/1NheSSOrvKeu9IbKDpcQf/Ox3qsrRS/Kw42qIS",
    ),
]


@pytest.mark.parametrize(("password", "known"), KNOWN)
def test_known_hash_verifies(password: str, known: str) -> None:
    assert accepted(known) == known
    assert verify(password, known)
    assert not verify(f"x{password}", known)
    assert not verify(password[:-1] if password else " ", known) or len(password) > 72


@pytest.mark.parametrize(("password", "text", "stored"), RESPELLED)
def test_known_hash_in_another_spelling_verifies(password: str, text: str, stored: str) -> None:
    assert accepted(text) == stored
    assert accepted(stored) == stored
    assert verify(password, stored)
    assert not verify(f"x{password}", stored)


def test_imported_bcrypt_hash_of_a_long_password_verifies() -> None:
    stored = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"
    first = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    assert len(first) == 72
    assert verify(first, stored)
    assert verify(f"{first}, or anything else", stored)
    assert not verify(first[:71], stored)
    # It cuts octets, in the middle of a character too.
    password = "x" * 71 + "é"
    stored = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    assert verify(password, stored)
    assert not verify("x" * 71, stored)


def test_prehashed_bcrypt_reads_the_whole_password() -> None:
    """The vectors of libpass for Django's bcrypt_sha256."""
    password = ("abc123" * 12)[:72]
    for end, digest in {
        "": "1OySmyXA8FoY4PjGizjE1QSDfuL5MXNni",
        "qwr": "1Ocy0BEz1RK6xslSNi8PlaLX2pe7x/KQG",
        "xyz": "1OvY2zoRVUa2Pugv2ExVOUT2YmhvxUFUa",
    }.items():
        stored = accepted(f"bcrypt_sha256$$2a$06$Tg/oYyZTyAf.Nb3qSgN6{digest}")
        assert [verify(password + other, stored) for other in ("", "qwr", "xyz")] == [
            end == other for other in ("", "qwr", "xyz")
        ]


def test_crypt_password_is_at_most_128_octets() -> None:
    for name in ("sha512_crypt", "sha256_crypt", "md5_crypt", "phpass"):
        handler = cast(Any, registry.get_crypt_handler(name))
        if name != "md5_crypt":
            handler = handler.using(rounds=7 if name == "phpass" else 1000)
        assert verify("x" * 128, accepted(handler.hash("x" * 128)))
        assert not verify("x" * 129, accepted(handler.hash("x" * 129)))
        assert not verify("x" * 129, accepted(handler.hash("x" * 128)))  # It is not cut.


def test_composed_and_decomposed_password_are_equal() -> None:
    stored = bcrypt.hashpw(unicodedata.normalize("NFC", LETMEIN).encode(), bcrypt.gensalt(4)).decode()
    assert verify(unicodedata.normalize("NFD", LETMEIN), stored)


def test_hash_of_octets_beyond_nfc_verifies() -> None:
    typed = unicodedata.normalize("NFD", LETMEIN)
    stored = bcrypt.hashpw(typed.encode(), bcrypt.gensalt(4)).decode()
    assert fitting(typed, stored) == typed
    assert fitting(unicodedata.normalize("NFC", LETMEIN), stored) is None


@pytest.mark.parametrize("password", ["\0", "\ud800", "secret\0"])
def test_impossible_password_verifies_no_hash(password: str) -> None:
    assert not verify(password, bcrypt.hashpw(b"", bcrypt.gensalt(4)).decode())
    assert not verify(password, bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode())


CHEAP: dict[str, Callable[[str], str]] = {
    "argon2": PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash,
    "bcrypt": lambda password: bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode(),
    **{
        name: cast(Any, registry.get_crypt_handler(name)).using(**costs).hash
        for name, costs in {
            "scrypt": {"rounds": 2},
            "pbkdf2_sha1": {"rounds": 1},
            "pbkdf2_sha256": {"rounds": 1},
            "pbkdf2_sha512": {"rounds": 1},
            "django_pbkdf2_sha256": {"rounds": 1},
            "django_bcrypt_sha256": {"rounds": 4},
            "sha256_crypt": {"rounds": 1000},
            "sha512_crypt": {"rounds": 1000},
            "md5_crypt": {},
            "phpass": {"rounds": 7},
            "ldap_salted_sha1": {},
            "ldap_salted_sha256": {},
            "ldap_salted_sha512": {},
        }.items()
    },
}
PASSWORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).map(
    lambda text: unicodedata.normalize("NFC", text)
)


@settings(max_examples=15, deadline=None)
@given(PASSWORDS, PASSWORDS)
@pytest.mark.parametrize("name", CHEAP)
def test_hash_by_other_libraries_verifies_its_password_only(name: str, password: str, other: str) -> None:
    stored = accepted(CHEAP[name](password))
    assert accepted(stored) == stored
    assert verify(password, stored)
    assert verify(other, stored) == (password == other)


MADE = [known for _, known in KNOWN] + [text for _, text, _ in RESPELLED]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MADE), st.data())
def test_damaged_hash_is_refused_and_never_verifies(made: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made)))
    kept = data.draw(st.integers(at, len(made)))
    put = data.draw(st.text(st.sampled_from("$,=./+!{} \n\0é\u0663xX"), max_size=3))  # No digit: it stays cheap.
    spoilt = made[:at] + put + made[kept:]
    try:
        stored = accepted(spoilt)
    except HashRejected as rejected:
        message = str(rejected)
    else:
        assert accepted(stored) == stored
        verify("password", stored)  # Whatever comes of it, nothing is raised.
        return
    assert len(spoilt) < 8 or spoilt not in message
    if "costs" not in message:
        assert not verify("password", spoilt)


@given(st.text(max_size=600))
def test_any_other_text_is_refused_and_never_verifies(text: str) -> None:
    with pytest.raises(HashRejected):
        accepted(text)
    assert not verify("password", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password",
        "$",
        "$2x$05$6bNw2HLQYeqHYyBfLMsv/OiwqTymGIGzFsA4hOTWebfehXHNprcAS",  # sign extension: another algorithm
        "$2$05$" + "." * 22 + "XuQjdH.wPVNUZ/bOfstdW/FqB8QSjte",
        "$2a$6$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
        "$argon2i$v=18$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "$argon2i$v=19$m=256,t=1,p=1,keyid=AAAA$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1B",  # unused bits set: argon2 refuses it
        "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsA",  # a digest of 4 octets
        "$argon2id$v=19$m=0256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "$scrypt$ln=0,r=1,p=1$wvif8/4fg1Cq9V7L2dv73w$bJcLia1lyfQ1X2x0xflehwVXPzWIUQWWdnlGwfVzBeQ",
        "scrypt$16383$seasalt$8$5$" + "A" * 86 + "==",
        "$pbkdf2-sha256$0$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        "$5$rounds=10$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC",
        "{SSHA}at+xg6SiyUovktq1redipHiJpaE=",  # no salt
        "{SHA}at+xg6SiyUovktq1redipHiJpaEAAAA=",  # another size
        "{CLEARTEXT}password",
        "5f4dcc3b5aa765d61d8327deb882cf99",
    ],
)
def test_unknown_format_is_refused(text: str) -> None:
    with pytest.raises(HashRejected, match=r"a format that we know|not accepted|malformed|does not say"):
        accepted(text)
    assert not verify("password", text)


def test_only_our_parameters_are_current() -> None:
    parameters = Parameters(
        type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=64, parallelism=1
    )
    stored = PasswordHasher.from_parameters(parameters).hash("secret")
    assert is_current(stored, parameters)
    assert not is_current(stored, profiles.RFC_9106_LOW_MEMORY)
    assert not is_current(stored.replace("$argon2id$", "$argon2i$"), parameters)
    assert not any(is_current(accepted(made), parameters) for made in MADE)
    assert not is_current("", parameters)


def test_scrypt_of_64_octets_begins_with_scrypt_of_32() -> None:
    """What spellings.py rests on, by another implementation (OpenSSL)."""
    long = hashlib.scrypt(b"secret", salt=b"salt", n=16, r=8, p=1, dklen=64)
    text = f"$scrypt$ln=4,r=8,p=1${b64(b'salt')}${base64.b64encode(long).decode().rstrip('=')}"
    assert verify("secret", accepted(text))
    assert not verify("secre", accepted(text))

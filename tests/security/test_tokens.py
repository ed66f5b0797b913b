"""Forged access tokens (threat 13): what is known to have fooled others, and every small change of a good one.

Whatever could be signed is signed with the real key too: it is the check that refuses it, not the signature.
"""

import base64
import json
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from denizen.errors import TokenInvalid
from denizen.messages import Jwk, Jwks
from denizen.tokens import TokenClaims, check, key_set
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OctKey, OKPKey

from services.domain.refusals import Refusal
from services.platform.database import Database
from services.platform.settings import Settings
from services.tokens import keys as server_keys
from services.tokens.access import issue, recognized, verify
from services.tokens.keys import ServerKeys
from tests.support import token_cases
from tests.support.log import ring, settings

NOW = 1_800_000_000
USER, OTHER = "user_01h455vb4pex5vsknk084sn02q", "user_01h455vb4pex5vsknk084sn02r"
SESSION = "sess_01h455vb4pex5vsknk084sn02q"
REAL, ATTACKER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
PUBLIC = REAL.public_key()
RAW = PUBLIC.public_bytes_raw()
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
CLAIMS = {
    "iss": "denizen",
    "aud": "denizen",
    "sub": USER,
    "sid": SESSION,
    "pos": 7,
    "iat": NOW,
    "exp": NOW + 300,
}
ABSENT = object()


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def jwk(key: Ed25519PrivateKey, kid: str = "k1") -> dict[str, str]:
    x = b64(key.public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"}


KEYS = key_set(Jwks(keys=(Jwk(**jwk(REAL)),)))


def check_now(text: str) -> TokenClaims:
    return check(text, KEYS, issuer="denizen", audience="denizen", now=NOW)


def signed(header: Any = HEADER, claims: Any = CLAIMS, sign: Callable[[bytes], bytes] = REAL.sign) -> str:
    """A JWS of anything at all; bytes are taken for the JSON as it stands."""
    parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, claims)]
    text = ".".join(map(b64, parts))
    return f"{text}.{b64(sign(text.encode()))}"


def changed(what: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {name: value for name, value in (what | values).items() if value is not ABSENT}


def hs256(key: bytes) -> Callable[[bytes], bytes]:
    def sign(data: bytes) -> bytes:
        mac = HMAC(key, SHA256())
        mac.update(data)
        return mac.finalize()

    return sign


GOOD = signed()
H, P, S = GOOD.split(".")


def refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        check_now(text)


def test_token_signed_with_the_real_key_is_valid() -> None:
    """What the attacks below are changes of is a good token."""
    assert check_now(GOOD).user_id == USER
    assert check_now(signed(changed(HEADER), changed(CLAIMS, aud=["other", "denizen"], extra=1))).session_id == SESSION
    assert check_now(signed(json.dumps(HEADER).encode(), json.dumps(CLAIMS).encode())).position == 7


# --- the algorithm ----------------------------------------------------------------------------------------------

NONE: list[Any] = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "none ",
    "no\u0000ne",
    "",
    None,
    0,
    [],
    ["none"],
    ["EdDSA"],
    {},
    ABSENT,
]


@pytest.mark.parametrize("alg", NONE)
@pytest.mark.parametrize(
    "signature", ["", ".", S, b64(bytes(64)), "real"], ids=["none", "dot", "another", "zeros", "real"]
)
def test_alg_none_is_refused(alg: Any, signature: str) -> None:
    text = signed(changed(HEADER, alg=alg))
    if signature != "real":
        text = text.rpartition(".")[0] + "." + signature
    refused(text)


@pytest.mark.parametrize(
    "key",
    [
        PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
        PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        PUBLIC.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        RAW,
        b64(RAW).encode(),
        RAW.hex().encode(),
        json.dumps(jwk(REAL)).encode(),
        json.dumps({"keys": [jwk(REAL)]}, separators=(",", ":")).encode(),
        b"",
        bytes(32),
    ],
    ids=["pem", "pem-stripped", "der", "openssh", "raw", "base64", "hex", "jwk", "jwks", "empty", "zeros"],
)
@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
@pytest.mark.parametrize("twice", [False, True])
def test_public_key_as_hmac_secret_is_refused(key: bytes, alg: str, twice: bool) -> None:
    def sign(data: bytes) -> bytes:
        return hs256(key)(data) * (2 if twice else 1)  # The length of an Ed25519 signature.

    refused(signed(changed(HEADER, alg=alg), sign=sign))


@pytest.mark.parametrize(
    "alg",
    ["HS256", "HS512", "RS256", "PS256", "ES256", "ES256K", "Ed25519", "Ed448", "eddsa", "EDDSA", "EdDSA ", "dir"],
)
def test_other_algorithm_with_the_real_key_is_refused(alg: str) -> None:
    refused(signed(changed(HEADER, alg=alg)))


def test_key_of_another_curve_is_refused() -> None:
    refused(signed(sign=Ed448PrivateKey.generate().sign))


# --- the key ----------------------------------------------------------------------------------------------------

NAMED_KEYS: dict[str, Any] = {
    "jwk": jwk(ATTACKER),
    "jku": "https://attacker.example.com/jwks.json",
    "x5u": "https://attacker.example.com/cert.pem",
    "x5c": ["MIIB"],
    "x5t": "AAAA",
    "x5t#S256": "AAAA",
    "key": jwk(ATTACKER),
    "epk": jwk(ATTACKER),
    "iss": "denizen",
    "cty": "JWT",
    "zip": "DEF",
    "enc": "A256GCM",
    "nonce": "1",
}


@pytest.mark.parametrize("name", NAMED_KEYS)
@pytest.mark.parametrize("sign", [REAL.sign, ATTACKER.sign])
def test_header_that_carries_a_key_is_refused(name: str, sign: Callable[[bytes], bytes]) -> None:
    refused(signed(changed(HEADER, **{name: NAMED_KEYS[name]}), sign=sign))


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp", ["kid"], ["alg", "alg"], None, 1, {"exp": 1}])
@pytest.mark.parametrize("b64_header", [ABSENT, False, True])
def test_crit_and_unencoded_payload_are_refused(crit: Any, b64_header: Any) -> None:
    header = changed(HEADER, crit=crit, b64=b64_header, exp=NOW + 300)
    refused(signed(header))
    refused(signed(changed(header, exp=ABSENT)))
    if b64_header is False:  # RFC 7797: the payload as it stands.
        for payload in (P, "payload", json.dumps(CLAIMS)):
            text = f"{b64(json.dumps(header).encode())}.{payload}"
            refused(f"{text}.{b64(REAL.sign(text.encode()))}")


KIDS = [
    ABSENT, None, "", 1, True, [], ["k1"], {}, {"k1": 1}, "K1", "k1 ", " k1", "k1\n", "k1\0", "k2", "../../../dev/null",
    "/dev/null", "file:///dev/null", "k1/../k1", "' or '1'='1", "x' union select 'AAAA' --", "k1; select pg_sleep(9)",
    "| sleep 9", "$(sleep 9)", "__class__", "*", "k" * 200, "\u212a1", "k\uff11",
]  # fmt: skip


@pytest.mark.parametrize("kid", KIDS)
@pytest.mark.parametrize("sign", [REAL.sign, ATTACKER.sign, hs256(b""), hs256(b"AAAA")])
def test_unknown_or_malformed_key_id_is_refused(kid: Any, sign: Callable[[bytes], bytes]) -> None:
    refused(signed(changed(HEADER, kid=kid), sign=sign))


# --- the type ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typ",
    [ABSENT, None, "", "JWT", "jwt", "rt+jwt", "AT+JWT", "at+jwt ", "application/at+jwt", "id+jwt", 1, ["at+jwt"]],
)
def test_token_of_another_type_is_refused(typ: Any) -> None:
    refused(signed(changed(HEADER, typ=typ)))


# --- the claims -------------------------------------------------------------------------------------------------

WRONG: dict[str, list[Any]] = {
    "iss": [ABSENT, None, "", "Denizen", "denizen ", "denizen\0", "https://denizen", ["denizen"], 1, {"denizen": 1}],
    "aud": [ABSENT, None, "", "Denizen", "denizen,other", "deni", [], ["other"], [["denizen"]], [1], {"denizen": 1}, 1],
    "sub": [
        ABSENT,
        None,
        "",
        1,
        [USER],
        USER[:-1],
        USER + "a",
        USER + "\n",
        USER.upper(),
        SESSION,
        "user_*",
        OTHER + " ",
    ],
    "sid": [ABSENT, None, "", 1, [SESSION], SESSION + "\n", USER, SESSION[:-1]],
    "pos": [ABSENT, None, "7", -1, 7.0, 7.5, True, [7], 2**63, 10**30],
    "iat": [ABSENT, None, str(NOW), -1, float(NOW), True, [NOW], NOW + 61, NOW + 10**6, 10**300],
    "nbf": [None, str(NOW), -1, float(NOW), NOW + 61, 10**300],
    "exp": [ABSENT, None, str(NOW + 300), NOW + 300.0, True, [NOW + 300], NOW, NOW - 1, 0, -1, 10**300, 1e300, 2**34],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_claim_with_the_real_key_is_refused(name: str, value: Any) -> None:
    refused(signed(claims=changed(CLAIMS, **{name: value})))


@pytest.mark.parametrize(
    ("name", "value"), [("iat", NOW + 60), ("nbf", NOW + 60), ("exp", NOW + 1), ("pos", 2**63 - 1)]
)
def test_token_in_its_last_second_is_valid(name: str, value: int) -> None:
    check_now(signed(claims=changed(CLAIMS, **{name: value})))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_malformed_number_claim_is_refused(number: str) -> None:
    refused(signed(claims=json.dumps(CLAIMS).replace(str(NOW + 300), number).encode()))
    if number != "1e999":  # In a claim that is not read, it is at least JSON.
        refused(signed(claims=f'{{"other": {number}, '.encode() + json.dumps(CLAIMS).removeprefix("{").encode()))


@pytest.mark.parametrize("first", [USER, OTHER])
def test_duplicate_claim_is_refused(first: str) -> None:
    once = json.dumps(CLAIMS).removeprefix("{").encode()
    check_now(signed(claims=b"{" + once))
    refused(signed(claims=b'{"sub": "' + first.encode() + b'", ' + once))
    refused(signed(claims=b'{"other": {"a": 1, "a": 1}, ' + once))
    refused(signed(claims=b'{"\\u0073ub": "' + first.encode() + b'", ' + once))


@pytest.mark.parametrize(
    "first", ['"alg": "none"', '"alg": "EdDSA"', '"kid": "k1"', '"\\u006bid": "k2"', '"typ": "JWT"']
)
def test_duplicate_header_parameter_is_refused(first: str) -> None:
    refused(signed(f"{{{first}, ".encode() + json.dumps(HEADER).removeprefix("{").encode()))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{",
        b"{}",
        b"\xff",
        b"{} {}",
        b"[" * 1500,
        b'{"a":' * 300,
        GOOD[:1500].encode(),
    ],
)
def test_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    refused(signed(claims=payload))


@pytest.mark.parametrize(
    "header", [b"", b"null", b"[]", b'["alg"]', b'["kid","crit"]', b"7", b"{", b"\xff", b"[" * 180]
)
def test_header_that_is_no_object_is_refused(header: bytes) -> None:
    refused(signed(header))


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_json_in_another_encoding_is_refused(encoding: str) -> None:
    """JWTs are UTF-8 (RFC 7519, section 3) without a byte order mark (RFC 8259, section 8.1)."""
    check_now(signed(compact(HEADER).encode(), compact(CLAIMS).encode()))
    refused(signed(compact(HEADER).encode(encoding)))
    refused(signed(claims=compact(CLAIMS).encode(encoding)))


def test_nesting_is_refused_beyond_its_bound() -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        for inner in ("1", "[]", '"{[{["'):
            deepest = 30 if inner == "[]" else 31  # The payload is one more.
            check_now(signed(claims=changed_text(opening * deepest + inner + closing * deepest)))
            refused(signed(claims=changed_text(opening * (deepest + 1) + inner + closing * (deepest + 1))))
    check_now(signed(claims=changed_text("[" + "[]," * 200 + '"\\"' + "[" * 40 + '"]')))


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def changed_text(other: str) -> bytes:
    """The claims with another one, which is JSON."""
    return f'{compact(CLAIMS)[:-1]},"other":{other}}}'.encode()


# --- the signature and the form ---------------------------------------------------------------------------------


def malleable() -> str:
    """The same signature with its scalar one group order higher: RFC 8032, section 5.1.7, has it refused."""
    order = 2**252 + 27742317777372353535851937790883648493
    octets = base64.urlsafe_b64decode(S + "==")
    scalar = int.from_bytes(octets[32:], "little") + order
    return f"{H}.{P}.{b64(octets[:32] + scalar.to_bytes(32, 'little'))}"


def other_user() -> str:
    return b64(json.dumps(changed(CLAIMS, sub=OTHER)).encode())


FORMS: dict[str, str] = {
    "nothing": "",
    "signature stripped": f"{H}.{P}.",
    "signature left out": f"{H}.{P}",
    "signature truncated": GOOD[:-1],
    "half a signature": GOOD[:-43],
    "signature longer": GOOD + "A",
    "signature of zeros": f"{H}.{P}.{b64(bytes(64))}",
    "signature of another token": f"{H}.{other_user()}.{S}",
    "signature of the attacker": signed(sign=ATTACKER.sign),
    "signature malleable": malleable(),
    "payload detached": f"{H}..{S}",
    "header left out": f".{P}.{S}",
    "a part too many": f"{GOOD}.",
    "five parts": f"{H}.{P}.{S}.{P}.{S}",
    "padded": f"{H}.{P}.{S}==",
    "padded header": f"{H}=.{P}.{S}",
    "the last bits set": GOOD[:-1] + chr(ord(GOOD[-1]) + 1),
    "space before": f" {GOOD}",
    "line break after": f"{GOOD}\n",
    "line break inside": f"{H}.\n{P}.{S}",
    "NUL after": f"{GOOD}\0",
    "Bearer": f"Bearer {GOOD}",
    "quoted": f'"{GOOD}"',
    "full-width dots": GOOD.replace(".", "\uff0e"),
    "surrogate": GOOD + "\ud800",
    "a mebibyte": "A" * 2**20,
    "a mebibyte of dots": "." * 2**20,
    "a huge header": f"{'A' * 2**20}.{P}.{S}",
    "a huge payload": f"{H}.{'A' * 2**20}.{S}",
    "a huge signature": f"{GOOD}{'A' * 2**20}",
    "JWS JSON": json.dumps({"protected": H, "payload": P, "signature": S}),
    "JWS JSON, general": json.dumps({"payload": P, "signatures": [{"protected": H, "signature": S}]}),
    "JWE under the public key": jwe.encrypt_compact(
        changed(HEADER, alg="dir", enc="A256GCM"), json.dumps(CLAIMS).encode(), OctKey.import_key(RAW)
    ),
    "JWE of a good token": jwe.encrypt_compact(
        {"alg": "ECDH-ES", "enc": "A256GCM"}, GOOD.encode(), OKPKey.generate_key("X25519")
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_malformed_token_is_refused(name: str) -> None:
    refused(FORMS[name])


@pytest.mark.parametrize("cty", [ABSENT, "JWT"])
def test_nested_token_is_refused(cty: Any) -> None:
    refused(signed(changed(HEADER, cty=cty), GOOD.encode()))


def test_non_canonical_base64_is_refused() -> None:
    """The real key signs the text as it stands, so that nothing but its form is wrong."""
    padding = {"a": ""}
    while len(claims := json.dumps(CLAIMS | padding).encode()) % 3 != 1:  # Four bits of the last character are zero.
        padding["a"] += "a"
    payload = b64(claims)

    def sign(text: str) -> str:
        return f"{text}.{b64(REAL.sign(text.encode()))}"

    check_now(sign(f"{H}.{payload}"))
    refused(sign(f"{H}.{payload[:-1]}{chr(ord(payload[-1]) + 1)}"))
    refused(sign(f"{H}.{payload}=="))
    refused(sign(f"{H}.{payload[:10]}\n{payload[10:]}"))
    # The same of a header, which is decoded before its signature is known.
    header = json.dumps(HEADER) + " " * ((1 - len(json.dumps(HEADER))) % 3)
    check_now(signed(header.encode()))
    other = b64(header.encode())
    refused(sign(f"{other[:-1]}{chr(ord(other[-1]) + 1)}.{P}"))


def test_token_above_the_size_bound_is_refused() -> None:
    """The bound is on the text; what is behind it is not even decoded."""
    room = 1536 - len(json.dumps(CLAIMS | {"a": ""}))
    check_now(signed(claims=CLAIMS | {"a": "a" * room}))
    refused(signed(claims=CLAIMS | {"a": "a" * (room + 1)}))


def test_tokens_of_the_shared_cases_are_these() -> None:
    """What the clients in other languages are tried with. `python -m tests.support.token_cases` rewrites them."""
    cases = json.loads(token_cases.PATH.read_bytes())
    keys = key_set(Jwks(keys=tuple(Jwk(**each) for each in cases["keys"])))
    for case in cases["tokens"]:
        try:
            check(case["token"], keys, issuer=cases["issuer"], audience=cases["audience"], now=cases["now"])
            good = True
        except TokenInvalid:
            good = False
        assert good == case["good"], case["name"]
    recorded = [(each["name"], each["good"]) for each in token_cases.recorded()]
    assert [(each["name"], each["good"]) for each in cases["tokens"]] == recorded


@given(st.data())
def test_token_with_one_changed_character_is_refused(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(GOOD) - 1))
    character = data.draw(st.sampled_from("ABCghi019-_.=") | st.characters())
    text = GOOD[:index] + character + GOOD[index + 1 :]
    if text != GOOD:
        refused(text)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{1,50}\.[A-Za-z0-9_-]{1,50}\.[A-Za-z0-9_-]{86}", fullmatch=True))
def test_any_text_is_refused(text: str) -> None:
    refused(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(HEADER)), json_values, st.sampled_from(sorted(CLAIMS)), json_values)
def test_any_json_as_header_or_payload_is_refused(name: str, value: Any, claim: str, other: Any) -> None:
    refused(signed(changed(HEADER, **{name: value})))
    refused(signed(claims=changed(CLAIMS, **{claim: other if not isinstance(other, int) else str(other)})))


# --- keys of the service ----------------------------------------------------------------------------------------


SETTINGS = Settings()


@pytest_asyncio.fixture
async def services(database_url: str) -> AsyncGenerator[list[ServerKeys]]:
    """Three of them: accounts that rotates, another one, and a directory, which has no key ring."""
    databases = [Database(settings(database_url), f"keys {number}") for number in range(3)]
    yield [ServerKeys(each, SETTINGS, keys) for each, keys in zip(databases, (ring(), ring(), None), strict=True)]
    for each in databases:
        await each.close()


async def fresh(keys: ServerKeys) -> str:
    key = await keys.signing()
    return issue(key, SETTINGS, user_id=USER, session_id=SESSION, place=7, at=datetime.now(UTC))


class Clock:
    """The clock by which the services know how old what they know of the keys is."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(server_keys, "time", clock)
    return clock


async def is_refused(token: str, keys: ServerKeys) -> bool:
    try:
        await verify(token, keys, SETTINGS)
    except Refusal as refusal:
        return refusal.code == "token_invalid"
    return False


async def test_expired_token_still_proves_an_earlier_session(services: list[ServerKeys]) -> None:
    """For the days that a session lives, and of our own tokens alone; it is good for nothing else."""
    keys = services[0]
    key = await keys.signing()

    def aged(days: float, signing: OKPKey = key) -> str:
        at = datetime.now(UTC) - timedelta(days=days)
        return issue(signing, SETTINGS, user_id=USER, session_id=SESSION, place=7, at=at)

    for days in (0, 1, SETTINGS.session_days - 0.1):
        claims = await recognized(aged(days), keys, SETTINGS)
        assert claims is not None
        assert (claims.user_id, claims.session_id) == (USER, SESSION)
        assert await is_refused(aged(days), keys) == (days > 0)
    forged = OKPKey.generate_key("Ed25519", {"kid": str(key.kid)})
    for none in (aged(SETTINGS.session_days + 0.1), aged(1, forged), aged(1)[:-1], "", "a.b.c", ". .", "a.bnVsbA.c"):
        assert await recognized(none, keys, SETTINGS) is None, none


async def test_sealing_key_signs_no_token(services: list[ServerKeys]) -> None:
    """A sealing key is no key for signatures, whatever it would be as one."""
    keys = services[0]
    good = await fresh(keys)
    assert not await is_refused(good, keys)
    sealing = await keys.sealing_public()
    private = await keys.sealing(sealing.key_id)
    assert private is not None
    claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    for sign in (Ed25519PrivateKey.from_private_bytes(bytes(private)).sign, hs256(bytes(private.public_key))):
        assert await is_refused(signed(changed(HEADER, kid=sealing.key_id), claims, sign), keys)


async def lead_over(database_url: str) -> None:
    """Let the time be over in which the newest signing key is published and not used."""
    async with await psycopg.AsyncConnection.connect(database_url, options="-c search_path=denizen") as owner:
        await owner.execute("update server_keys set retired_at = now() where retired_at > now()")


async def test_rotation_ends_no_session(services: list[ServerKeys], clock: Clock, database_url: str) -> None:
    rotating = services[0]
    old = await fresh(rotating)
    for keys in services:
        assert not await is_refused(old, keys)
    await rotating.rotate("signing")
    await lead_over(database_url)
    new = await fresh(rotating)
    assert new.split(".")[0] != old.split(".")[0]
    clock.ahead += 0.2  # A key id that is not known is looked up, before the two seconds are over.
    for keys in services:
        assert not await is_refused(new, keys)
        assert not await is_refused(old, keys)


async def test_rotation_at_once_refuses_old_tokens(services: list[ServerKeys], clock: Clock, database_url: str) -> None:
    """Threat 25: the key has leaked. What it has signed is refused from the commit on, elsewhere within 2 s."""
    rotating, other, directory = services
    first = await fresh(rotating)
    await rotating.rotate("signing")
    await lead_over(database_url)
    leaked = await fresh(rotating)
    stolen = await rotating.signing()
    for keys in services:
        assert not await is_refused(first, keys)
        assert not await is_refused(leaked, keys)
    await rotating.rotate("signing", at_once=True)
    forged = issue(stolen, SETTINGS, user_id=OTHER, session_id=SESSION, place=9, at=datetime.now(UTC))
    for token in (first, leaked, forged):
        assert await is_refused(token, rotating)
    clock.ahead += 2
    for keys in (other, directory):
        for token in (first, leaked, forged):
            assert await is_refused(token, keys)
    for keys in (rotating, other):
        assert not await is_refused(await fresh(keys), directory)

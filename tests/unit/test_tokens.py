"""Access tokens as they are issued and checked, and refresh tokens. The attacks are in tests/security/."""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from denizen.errors import BY_CODE, TokenInvalid
from denizen.messages import Jwk, Jwks
from denizen.tokens import REGISTRY, KeySet, TokenClaims, UnknownKey, check, key_set
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwk import OKPKey

from services.platform.settings import Settings
from services.tokens.access import issue
from services.tokens.refresh import Parsed, is_ours, parse, refresh_token
from tests.support.log import ring

USER, SESSION = "user_01h455vb4pex5vsknk084sn02q", "sess_01h455vb4pex5vsknk084sn02r"
AT = datetime(2026, 11, 24, 12, 0, 0, 999999, tzinfo=UTC)
NOW = int(AT.timestamp())
SETTINGS = Settings(issuer="https://id.example.com", audience="shop", access_token_seconds=300)

# RFC 8037, appendix A: the key (A.1, A.2), its thumbprint (A.3) and a signature (A.4).
D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
SIGNED = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
KEY = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": D, "x": X, "kid": "a", "use": "sig", "alg": "EdDSA"})


def jwk(**changed: str) -> Jwk:
    return Jwk(**({"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "a", "use": "sig", "alg": "EdDSA"} | changed))


KEYS: KeySet = key_set(Jwks(keys=(jwk(),)))


def token(settings: Settings = SETTINGS, position: int = 1207, at: datetime = AT) -> str:
    return issue(KEY, settings, user_id=USER, session_id=SESSION, place=position, at=at)


def checked(text: str, now: float = NOW) -> TokenClaims:
    return check(text, KEYS, issuer="https://id.example.com", audience="shop", now=now)


def decoded(part: str) -> object:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# --- known answers ----------------------------------------------------------------------------------------------


def test_signature_of_rfc_8037_verifies() -> None:
    assert KEY.thumbprint() == THUMBPRINT
    assert jws.serialize_compact({"alg": "EdDSA"}, b"Example of Ed25519 signing", KEY, registry=REGISTRY) == SIGNED
    assert jws.deserialize_compact(SIGNED, KEYS["a"], registry=REGISTRY).payload == b"Example of Ed25519 signing"


def test_known_token_is_issued_unchanged() -> None:
    """Made once by this code, and checked with cryptography alone: services of other versions read it."""
    golden = (
        "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIsImtpZCI6ImEifQ."
        "eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwiYXVkIjoic2hvcCIsInN1YiI6InVzZXJfMDFoNDU1dmI0cGV4NXZza25rMDg0c24"
        "wMnEiLCJzaWQiOiJzZXNzXzAxaDQ1NXZiNHBleDV2c2tuazA4NHNuMDJyIiwicG9zIjoxMjA3LCJpYXQiOjE3OTU1MjE2MDAsImV4cCI6MTc"
        "5NTUyMTkwMH0.RefBc6jF1BrAtc6Jm-0grgmK9XExBE_eD8X1qNOMNuwcjk4DnziPZJIPbD49D0r0M_HDQNxuDurgWrpObYNNAg"
    )
    assert token() == golden
    assert checked(golden) == TokenClaims(
        USER, SESSION, 1207, AT.replace(microsecond=0), AT.replace(microsecond=0) + timedelta(seconds=300)
    )


def test_header_and_claims_are_these_only() -> None:
    header, payload, _ = token().split(".")
    assert decoded(header) == {"alg": "EdDSA", "typ": "at+jwt", "kid": "a"}
    assert decoded(payload) == {
        "iss": "https://id.example.com",
        "aud": "shop",
        "sub": USER,
        "sid": SESSION,
        "pos": 1207,
        "iat": NOW,
        "exp": NOW + 300,
    }


# --- check ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**63 - 1), st.integers(30, 3600), st.integers(0, 2**32))
def test_issued_token_is_valid_until_it_expires(position: int, seconds: int, at: int) -> None:
    settings = SETTINGS.model_copy(update={"access_token_seconds": seconds})
    text = token(settings, position, datetime.fromtimestamp(at, UTC))
    for now in (at - 60, at, at + seconds - 0.001):
        claims = checked(text, now)
        assert (claims.user_id, claims.session_id, claims.position) == (USER, SESSION, position)
        assert (claims.issued_at.timestamp(), claims.expires_at.timestamp()) == (at, at + seconds)
    for now in (at - 60.001, at + seconds, at + seconds + 1):
        with pytest.raises(TokenInvalid):
            checked(text, now)


def test_token_validity_follows_the_clock() -> None:
    check(token(at=datetime.now(UTC)), KEYS, issuer="https://id.example.com", audience="shop")
    old = token(at=datetime.now(UTC) - timedelta(seconds=301))
    with pytest.raises(TokenInvalid, match="expired"):
        check(old, KEYS, issuer="https://id.example.com", audience="shop")


def test_unknown_key_raises_its_own_error() -> None:
    """So that who checks can fetch the keys once more; it is a TokenInvalid all the same."""
    for keys in ({}, {"b": KEYS["a"]}):
        with pytest.raises(UnknownKey) as caught:
            check(token(), keys, issuer="https://id.example.com", audience="shop", now=NOW)
        assert isinstance(caught.value, BY_CODE["token_invalid"])


@pytest.mark.parametrize("part", ["kid", "typ", "alg"])
def test_errors_hold_no_part_of_the_token(part: str) -> None:
    text = jws.serialize_compact(
        {"alg": "EdDSA", "typ": "at+jwt", "kid": "a"} | {part: "EdDSA" if part == "alg" else "canary"},
        b'{"sub": "canary"}',
        KEY,
        registry=REGISTRY,
    )
    with pytest.raises(TokenInvalid) as caught:
        checked(text)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("alg", ["none", "HS256", "Ed25519", "RS256"])
def test_registry_knows_one_algorithm(alg: str) -> None:
    """Whatever reached it past the check of the header."""
    with pytest.raises(UnsupportedAlgorithmError):
        jws.serialize_compact({"alg": alg}, b"", KEY, registry=REGISTRY)


@pytest.mark.parametrize(
    "other",
    [
        jwk(kid="b", kty="EC"),
        jwk(kid="b", crv="X25519"),
        jwk(kid="b", crv="Ed448"),
        jwk(kid="b", use="enc"),
        jwk(kid="b", alg="HS256"),
    ],
)
def test_key_set_has_signature_keys_only(other: Jwk) -> None:
    assert key_set(Jwks(keys=(other, jwk()))).keys() == {"a"}
    assert not key_set(Jwks(keys=(jwk(),)))["a"].is_private


def test_package_imports_without_joserfc() -> None:
    code = "import sys; sys.modules['joserfc'] = None; import denizen, denizen.sealing; print('joserfc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


# --- refresh tokens ---------------------------------------------------------------------------------------------

SALT = bytes(range(16))
salts = st.binary(min_size=16, max_size=16)
generations = st.integers(0, 999_999_999)


@given(salts, generations)
def test_refresh_token_is_valid_for_its_session_only(salt: bytes, generation: int) -> None:
    text = refresh_token(ring(), SESSION, salt, generation)
    assert text == refresh_token(ring(), SESSION, salt, generation)
    parsed = parse(text)
    assert parsed is not None
    assert (parsed.session_id, parsed.generation) == (SESSION, generation)
    assert is_ours(ring(), parsed, salt)
    assert not is_ours(ring(claims=9), parsed, salt)
    assert not is_ours(ring(), parsed, bytes([salt[0] ^ 1]) + salt[1:])
    assert not is_ours(ring(), Parsed(SESSION[:-1] + "s", generation, parsed.proof), salt)
    assert not is_ours(ring(), Parsed(SESSION, (generation + 1) % 10**9, parsed.proof), salt)


@given(st.data())
def test_changed_refresh_token_is_refused(data: st.DataObject) -> None:
    """Each change of one character: it has no form, or is not ours. Nothing is read in two ways."""
    text = refresh_token(ring(), SESSION, SALT, 17)
    index = data.draw(st.integers(0, len(text) - 1))
    changed = text[:index] + data.draw(st.characters().filter(lambda c: c != text[index])) + text[index + 1 :]
    parsed = parse(changed)
    assert parsed is None or not is_ours(ring(), parsed, SALT)


@given(st.text() | st.from_regex(r"sess_[0-7][0-9a-hjkmnp-tv-z]{25}\.[0-9]{1,10}\.[A-Za-z0-9_-]{43}", fullmatch=True))
def test_parsed_refresh_token_has_one_spelling(text: str) -> None:
    parsed = parse(text)
    if parsed is not None:
        proof = base64.urlsafe_b64encode(parsed.proof).decode().rstrip("=")
        assert f"{parsed.session_id}.{parsed.generation}.{proof}" == text
        assert parsed.generation < 2**31, "the column is an integer"


GOOD = refresh_token(ring(), SESSION, SALT, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD + "\n",
        GOOD + "=",
        GOOD + ".",
        GOOD[:-1],
        " " + GOOD,
        GOOD.replace(".0.", ".00."),
        GOOD.replace(".0.", ".-0."),
        GOOD.replace(".0.", ".+0."),
        GOOD.replace(".0.", ".\u0660."),
        GOOD.replace(".0.", ".1000000000."),
        GOOD.replace(".0.", ".."),
        GOOD.replace("sess_", "user_"),
        GOOD.replace("sess_0", "sess_8"),
        GOOD.replace("sess_", "SESS_"),
        GOOD * 10_000,
    ],
)
def test_malformed_refresh_token_is_refused(text: str) -> None:
    assert parse(GOOD) is not None
    assert parse(text) is None


def test_session_row_reveals_no_token() -> None:
    """All that a thief of the table has: id, salt, generation."""
    parsed = parse(GOOD)
    assert parsed is not None
    for guess in (SALT, SALT * 2, bytes(32)):
        assert not is_ours(ring(), Parsed(SESSION, 0, guess), SALT)
    # Its key is the claims' key, and no claim is a proof.
    assert parsed.proof != ring().claim("email", f"{SESSION}.0.{SALT.hex()}")

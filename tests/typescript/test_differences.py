"""Random access tokens, judged by the verifiers of both languages: neither takes one that the other refuses."""

import base64
import json
import random
import subprocess
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from denizen.errors import TokenInvalid
from denizen.messages import Jwk, Jwks
from denizen.tokens import KeySet, check, key_set

from scripts import node

NUMBER = 4000
NOW = 1_800_000_000
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
CLAIMS: dict[str, Any] = {
    "iss": "denizen",
    "aud": "denizen",
    "pos": 7,
    "iat": NOW,
    "exp": NOW + 300,
    "sub": "user_01h455vb4pex5vsknk084sn02q",
    "sid": "sess_01h455vb4pex5vsknk084sn02q",
}
KEY = Ed25519PrivateKey.generate()
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "latin-1")
VALUES = (
    *(
        "0",
        "-0",
        "-1",
        "7",
        "07",
        "+7",
        "7.0",
        "7e0",
        "1e999",
        "NaN",
        "Infinity",
        "true",
        "null",
        "1_0",
        "0x7",
        ".5",
        "5.",
    ),
    *("9223372036854775807", "9223372036854775808", "17179869183", "17179869184", "9" * 400, "\u0667", "1800000000"),
    *(
        "1800000059",
        "1800000060",
        "1800000061",
        "1799999999",
        "1800000001",
        "[]",
        "{}",
        '["denizen"]',
        '["a","denizen"]',
    ),
    *(
        '["denizen",1]',
        '["denizen",null]',
        '"denizen"',
        '"Denizen"',
        '"denizen\\u0000"',
        '"\\ud800"',
        '"\\ud83d\\ude00"',
    ),
    *(
        '"\ud7ff"',
        '"\x7f"',
        '"\x1f"',
        '"\t"',
        '"\\x41"',
        '"\\/"',
        "'denizen'",
        '"\u2028"',
        "[1,]",
        '{"a":1,}',
        '{"a":1,"a":2}',
    ),
    *(
        '{"a":1,"\\u0061":2}',
        '{"__proto__":1}',
        '{"":1,"":1}',
        "[" * 31 + "]" * 31,
        "[" * 32 + "]" * 32,
        "[" * 31 + "1" + "]" * 31,
    ),
    *('"user_01h455vb4pex5vsknk084sn02q"', '"user_81h455vb4pex5vsknk084sn02q"', '"user_01h455vb4pex5vsknk084sn02q\\n"'),
    *(
        '"sess_01h455vb4pex5vsknk084sn02q"',
        '"user_01H455vb4pex5vsknk084sn02q"',
        '"user_01h455vb4pex5vsknk084sn02"',
        "",
        "/**/1",
    ),
)
SPACES = ("", "", "", " ", "\t", "\n", "\r\n", "\x0b", "\x0c", "\u00a0", "\ufeff", "\u2003", "\x00", "\x1c")


def test_verifiers_of_both_languages_judge_random_tokens_alike(built: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chosen = random.Random(seed)
    tokens = [token(chosen) for _ in range(NUMBER)]
    public = KEY.public_key().public_bytes_raw()
    jwk = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k1", "x": b64(public)}
    given = {"now": NOW, "issuer": "denizen", "audience": "denizen", "keys": [jwk], "tokens": tokens}
    done = subprocess.run(
        ["node", str(built / "programs" / "judge.js")],
        input=json.dumps(given).encode(),
        env=node.environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    keys = key_set(Jwks(keys=(Jwk(**jwk),)))
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    ours = [judged(each, keys) for each in tokens]
    assert [each for each in zip(tokens, ours, theirs, strict=True) if each[1] != each[2]] == [], seed
    good = sum(isinstance(each, list) for each in ours)
    assert NUMBER / 20 < good < NUMBER * 19 / 20, (good, seed)


def judged(text: str, keys: KeySet) -> Any:
    try:
        claims = check(text, keys, issuer="denizen", audience="denizen", now=NOW)
    except TokenInvalid as error:
        return error.message
    times = [int(each.timestamp()) for each in (claims.issued_at, claims.expires_at)]
    return [claims.user_id, claims.session_id, str(claims.position), *times]


def token(chosen: random.Random) -> str:
    """A token that the key signed, with up to two oddities."""
    header = {name: json.dumps(value) for name, value in HEADER.items()}
    claims = {name: json.dumps(value) for name, value in CLAIMS.items()}
    ways = chosen.choices(
        ("header", "claim", "another", "space", "encoding", "octet", "text", "none"), k=chosen.choice((1, 1, 2))
    )
    if "header" in ways:
        header[chosen.choice((*HEADER, "x"))] = chosen.choice(VALUES)
    if "claim" in ways:
        claims[chosen.choice((*CLAIMS, "nbf"))] = chosen.choice(VALUES)
    if "another" in ways:
        claims[chosen.choice(("x", "nbf", "\u00fc", "jti"))] = chosen.choice(VALUES)
    parts = [written(each, chosen, "space" in ways) for each in (header, claims)]
    octets = [part.encode(errors="surrogatepass") for part in parts]
    if "encoding" in ways:
        index = chosen.randrange(2)
        octets[index] = parts[index].encode(chosen.choice(ENCODINGS), "replace")
    if "octet" in ways:
        index = chosen.randrange(2)
        at = chosen.randrange(len(octets[index]))
        octets[index] = octets[index][:at] + chosen.randbytes(1) + octets[index][at + chosen.randrange(2) :]
    text = ".".join(map(b64, octets))
    if "text" in ways:  # Before it is signed, so that the signature is right.
        at = chosen.randrange(len(text))
        text = text[:at] + chosen.choice("AQgw=-_.+/ \n\u00e9") + text[at + chosen.randrange(2) :]
    signature = b64(KEY.sign(text.encode()))
    if chosen.random() < 0.05:  # The last character holds four bits that belong to no octet.
        signature = signature[:-1] + chosen.choice("AQgwBC")
    return f"{text}.{signature}"


def written(fields: dict[str, str], chosen: random.Random, spaced: bool) -> str:
    def space() -> str:
        return chosen.choice(SPACES) if spaced and chosen.random() < 0.2 else ""

    inner = ",".join(f"{space()}{json.dumps(name)}{space()}:{value}{space()}" for name, value in fields.items())
    return f"{space()}{{{inner}}}{space()}"


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

"""Other systems' hashes in the forms that the service takes (services/passwords).

A hash that the service cannot take is an `UnfitHash`, which a preset puts into `passwordHash` like any other: whether
it costs the user only their password is decided for all systems alike.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, cast

from denizen.importing.firebase import HashConfig
from denizen.importing.rows import Json, Unfit
from denizen.importing.values import octets

_Arguments = ParamSpec("_Arguments")
_SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}
_LDAP = {"md5": "MD5", "sha1": "SHA", "sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512"}
_SHORTEST = 16
"""Octets of a key that the service compares."""
_SALT_FIRST = base64.b64encode(b"{SALT}{PASSWORD}").decode()
_PHC_PBKDF2 = re.compile(r"\$pbkdf2-([a-z0-9]{1,10})\$(?:i=([0-9]{1,10}))?,?(?:l=[0-9]{1,4})?\$([^$]+)\$([^$]+)")
_AUTH0 = ("argon2", "bcrypt", "hmac", "ldap", "md4", "md5", "sha1", "sha256", "sha512", "pbkdf2", "scrypt")
_AUTH0_ROUNDS = 100_000
"""Of PBKDF2 whose hash names none: auth0.com/docs, bulk import database schema."""


@dataclass(frozen=True, slots=True)
class UnfitHash:
    """A hash that the service cannot take. `message` names its algorithm, and holds nothing of the hash."""

    message: str


def _unfit(algorithm: str, why: str = "") -> Unfit:
    return Unfit(f"{algorithm} hashes{why} are not accepted", "passwordHash")


def _kept(made: Callable[_Arguments, str]) -> Callable[_Arguments, str | UnfitHash]:
    """A function that returns an UnfitHash where `made` raises Unfit, or breaks on a form that no system writes."""

    @functools.wraps(made)
    def kept(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> str | UnfitHash:
        try:
            return made(*arguments, **named)
        except Unfit as unfit:
            return UnfitHash(unfit.message)
        except (AttributeError, ArithmeticError, LookupError, TypeError, ValueError):
            return UnfitHash(f"the hash does not have the form that {made.__name__.strip('_').capitalize()} gives it")

    return kept


def pbkdf2(digest: str, rounds: int, salt: bytes, key: bytes) -> str:
    """PBKDF2 makes its output block by block (RFC 8018): of a longer key, the first octets are that of one block."""
    if digest not in ("sha1", "sha256", "sha512"):
        raise _unfit("PBKDF2", " with another digest than SHA-1, SHA-256 and SHA-512")
    if len(key) < _SHORTEST:
        raise _unfit("PBKDF2", f" of fewer than {_SHORTEST} octets")
    name = "pbkdf2" if digest == "sha1" else f"pbkdf2-{digest}"
    return f"${name}${rounds}${_b64(salt).replace('+', '.')}${_b64(key[: _SIZES[digest]]).replace('+', '.')}"


def scrypt(n: int, r: int, p: int, salt: bytes, key: bytes) -> str:
    """Its last step is PBKDF2 (RFC 7914): a longer key is cut likewise."""
    if n.bit_count() != 1:
        raise _unfit("scrypt", " whose cost is no power of two")
    if len(key) < _SHORTEST:
        raise _unfit("scrypt", f" of fewer than {_SHORTEST} octets")
    return f"$scrypt$ln={n.bit_length() - 1},r={r},p={p}${_b64(salt)}${_b64(key[:32])}"


def digested(digest: str, key: bytes, salt: bytes = b"", *, salt_first: bool = False) -> str:
    """A digest of the password and a salt: in LDAP's spelling (RFC 2307), or Ory Kratos's where the salt is first."""
    if digest not in _SIZES:
        raise _unfit(digest)
    if len(key) != _SIZES[digest]:
        raise _unfit(digest, " of another size")
    if salt and salt_first:
        return f"${digest}$pf={_SALT_FIRST}${_padded(salt)}${_padded(key)}"
    return f"{{{'S' if salt else ''}{_LDAP[digest]}}}{_padded(key + salt)}"


def keyed(digest: str, key: bytes, mac: bytes) -> str:
    """An HMAC of the password, in Ory Kratos's spelling."""
    if len(mac) != _SIZES.get(digest):
        raise _unfit("HMAC", " of this digest")
    return f"$hmac-{digest}${_padded(mac.hex().encode())}${_padded(key)}"


def _firebase(config: HashConfig, salt: str, key: str) -> str:
    parameters = f"v=1,n={config.mem_cost},r={config.rounds},p=1"
    project = f"ss={_padded(octets(config.salt_separator))},sk={_padded(octets(config.signer_key))}"
    return f"$fbscrypt${parameters},{project}${_padded(octets(salt))}${_padded(octets(key))}"


@_kept
def firebase(config: HashConfig, salt: str, key: str) -> str:
    """Firebase's modified scrypt, as Supabase writes it: the project's parameters stand in each hash."""
    return _firebase(config, salt, key)


@_kept
def auth0(given: Json) -> str:
    """`custom_password_hash` of Auth0's import schema."""
    algorithm = given["algorithm"]
    if algorithm not in _AUTH0:
        raise Unfit("a hash of an algorithm that Auth0 does not name is not accepted", "passwordHash")
    if _mapping(given, "password").get("encoding", "utf8") not in ("utf8", "ascii"):
        raise _unfit(algorithm, " of passwords in another encoding than UTF-8")
    try:
        return _auth0(algorithm, given)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise (
            error if isinstance(error, Unfit) else Unfit(f"the {algorithm} hash is malformed", "passwordHash")
        ) from None


def _auth0(algorithm: str, given: Json) -> str:
    hashed = given["hash"]
    value: str = hashed["value"]
    if algorithm in ("argon2", "bcrypt", "ldap"):
        return value.strip()
    if algorithm == "pbkdf2":
        match = _PHC_PBKDF2.fullmatch(value)
        if match is None:
            raise Unfit("the pbkdf2 hash is not of the PHC string format", "passwordHash")
        return pbkdf2(match[1], int(match[2] or _AUTH0_ROUNDS), octets(match[3]), octets(match[4]))
    if algorithm == "hmac":
        return keyed(hashed["digest"], _decoded(hashed["key"]), _decoded(hashed))
    salt = _mapping(given, "salt")
    raw_salt = _decoded(salt) if salt else b""
    if algorithm == "scrypt":
        costs = (int(given.get("cost", 16384)), int(given.get("blockSize", 8)), int(given.get("parallelization", 1)))
        return scrypt(*costs, raw_salt, _decoded(hashed))
    return digested(algorithm, _decoded(hashed), raw_salt, salt_first=salt.get("position") != "suffix")


def _mapping(given: Json, name: str) -> Json:
    return cast(Json, given.get(name) or {})


def _decoded(given: Json) -> bytes:
    value: str = given["value"]
    encoding: Literal["base64", "hex", "utf8"] = given.get("encoding", "utf8")
    if encoding == "base64":
        return octets(value)
    return bytes.fromhex(value) if encoding == "hex" else value.encode()


_KEYCLOAK = {"argon2": "", "pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}
"""The providers that Keycloak brings along, and the digest of PBKDF2."""


@_kept
def keycloak(secret: Json, data: Json) -> str:
    """`secretData` and `credentialData` of a credential of type `password`."""
    algorithm, iterations = data["algorithm"], int(data.get("hashIterations") or 0)
    if str(secret["value"]).startswith(("$", "{")):
        return secret["value"]  # Of a provider of others', such as bcrypt's, whose hashes hold all that they need.
    if algorithm not in _KEYCLOAK:
        raise Unfit("a hash of a provider that Keycloak does not bring along is not accepted", "passwordHash")
    salt, key = octets(secret["salt"]), octets(secret["value"])
    if algorithm == "argon2":
        more = cast(dict[str, list[Any]], data["additionalParameters"])
        kind, version = more["type"][0], {"1.3": 19, "1.0": 16}[more["version"][0]]
        costs = f"m={int(more['memory'][0])},t={iterations},p={int(more['parallelism'][0])}"
        return f"$argon2{kind}$v={version}${costs}${_b64(salt)}${_b64(key)}"
    return pbkdf2(_KEYCLOAK[algorithm], iterations, salt, key)


_CLERK = (
    "argon2i", "argon2id", "bcrypt", "bcrypt_sha256_django", "ldap_ssha", "pbkdf2_sha256_django", "phpass",
    "scrypt_werkzeug",
)  # fmt: skip
"""Hashers of Clerk's whose digests the service reads as they are."""


@_kept
def clerk(hasher: str, digest: str) -> str:
    """`password_digest` by `password_hasher`."""
    match hasher, digest.split("$"):
        case name, _ if name in _CLERK:
            return digest
        case "pbkdf2_sha256", [_, rounds, salt, key]:
            return pbkdf2("sha256", int(rounds), octets(salt), octets(key))
        case "pbkdf2_sha1", [_, rounds, salt, key, *_]:
            return pbkdf2("sha1", int(rounds), salt.encode(), bytes.fromhex(key))
        case "scrypt_firebase", [key, salt, signer, separator, rounds, memory]:
            return _firebase(HashConfig(signer, separator, int(rounds), int(memory)), salt, key)
        case (("md5" | "sha256"), [key]):
            return digested(hasher, bytes.fromhex(key))
        case (("md5_salted" | "md5_phpass" | "sha256_salted" | "sha512_symfony" | "awscognito" | "pbkdf2_sha512"), _):
            raise _unfit(hasher)
        case _:
            raise Unfit("a hash of a hasher that Clerk does not name is not accepted", "passwordHash")


@_kept
def fusionauth(scheme: str, factor: Any, salt: str, password: str) -> str:
    """`encryptionScheme`, `factor`, `salt` and `password` of a user of FusionAuth."""
    match scheme:
        case "bcrypt" | "salted-bcrypt":
            return password if password.startswith("$2") else f"$2a${int(factor):02}${salt}{password}"
        case "salted-pbkdf2-hmac-sha256" | "salted-pbkdf2-hmac-sha256-512":
            return pbkdf2("sha256", int(factor), octets(salt), octets(password))
        case "salted-pbkdf2-hmac-sha512-512":
            return pbkdf2("sha512", int(factor), octets(salt), octets(password))
        case "salted-sha256" | "salted-md5" if int(factor) == 1:
            return digested(scheme.removeprefix("salted-"), octets(password), octets(salt))
        case "salted-sha256" | "salted-md5":
            raise _unfit(scheme, " of more than one round")
        case "salted-hmac-sha256" | "phpass-md5" | "phpass-sha512":
            raise _unfit(scheme)
        case _:
            raise Unfit("a hash of a plugin of FusionAuth is not accepted", "passwordHash")


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _padded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

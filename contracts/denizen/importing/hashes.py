"""Other systems' hashes in the forms that the service takes (services/passwords). Each raises Unfit."""

from __future__ import annotations

import base64
import re
from typing import Any, Literal, cast

from denizen.importing.firebase import HashConfig
from denizen.importing.rows import Json, Unfit
from denizen.importing.values import octets

_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}
_PHC_PBKDF2 = re.compile(r"\$pbkdf2-(sha1|sha256|sha512)\$i=([0-9]{1,10})(?:,l=[0-9]{1,4})?\$([^$]+)\$([^$]+)")
_WERKZEUG = re.compile(r"\$?scrypt:([0-9]{1,10}):([0-9]{1,4}):([0-9]{1,4})\$([^$]+)\$([^$]+)")


def pbkdf2(digest: str, rounds: int, salt: bytes, key: bytes) -> str:
    """PBKDF2 makes its output block by block (RFC 8018): of a longer key, the first octets are that of one block."""
    size = _SIZES.get(digest, 0)
    if not size or len(key) < size:
        raise _unknown()
    name = "pbkdf2" if digest == "sha1" else f"pbkdf2-{digest}"
    return f"${name}${rounds}${_b64(salt).replace('+', '.')}${_b64(key[:size]).replace('+', '.')}"


def scrypt(n: int, r: int, p: int, salt: bytes, key: bytes) -> str:
    """Its last step is PBKDF2 (RFC 7914): a longer key is cut likewise."""
    if len(key) < 32 or n.bit_count() != 1:
        raise _unknown()
    return f"$scrypt$ln={n.bit_length() - 1},r={r},p={p}${_b64(salt)}${_b64(key[:32])}"


def salted(digest: str, salt: bytes, key: bytes) -> str:
    """Of the password followed by the salt: LDAP's form (RFC 2307)."""
    if len(key) != _SIZES.get(digest):
        raise _unknown()
    return f"{{S{digest.upper().replace('SHA1', 'SHA')}}}{base64.b64encode(key + salt).decode()}"


def firebase(config: HashConfig, salt: str, key: str) -> str:
    """Firebase's modified scrypt, as Supabase writes it: the project's parameters stand in each hash."""
    parameters = f"v=1,n={config.mem_cost},r={config.rounds},p=1"
    project = f"ss={_padded(config.salt_separator)},sk={_padded(config.signer_key)}"
    return f"$fbscrypt${parameters},{project}${_padded(salt)}${_padded(key)}"


def auth0(given: Json) -> str:
    """`custom_password_hash` of Auth0's import schema."""
    algorithm = given["algorithm"]
    value = given["hash"]["value"]
    if not isinstance(value, str) or given.get("password", {}).get("encoding", "utf8") not in ("utf8", "ascii"):
        raise _unknown()
    if algorithm in ("argon2", "bcrypt", "ldap"):
        return value
    if algorithm == "pbkdf2" and (match := _PHC_PBKDF2.fullmatch(value)):
        return pbkdf2(match[1], int(match[2]), octets(match[3]), octets(match[4]))
    salt = cast(Json, given.get("salt") or {})
    if algorithm == "scrypt":
        costs = (int(given.get("cost", 16384)), int(given.get("blockSize", 8)), int(given.get("parallelization", 1)))
        return scrypt(*costs, _decoded(salt), _decoded(given["hash"]))
    if algorithm in _SIZES and salt.get("position") == "suffix":
        return salted(algorithm, _decoded(salt), _decoded(given["hash"]))
    raise _unknown()


def _decoded(given: Json) -> bytes:
    value: str = given["value"]
    encoding: Literal["base64", "hex", "utf8"] = given.get("encoding", "utf8")
    if encoding == "base64":
        return octets(value)
    return bytes.fromhex(value) if encoding == "hex" else value.encode()


def keycloak(secret: Json, data: Json) -> str:
    """`secretData` and `credentialData` of a credential of type `password`."""
    algorithm, iterations = data["algorithm"], int(data["hashIterations"])
    salt, key = octets(secret["salt"]), octets(secret["value"])
    if algorithm == "argon2":
        more = cast(dict[str, list[Any]], data["additionalParameters"])
        kind, version = more["type"][0], {"1.3": 19, "1.0": 16}[more["version"][0]]
        costs = f"m={int(more['memory'][0])},t={iterations},p={int(more['parallelism'][0])}"
        return f"$argon2{kind}$v={version}${costs}${_b64(salt)}${_b64(key)}"
    digests = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}
    return pbkdf2(digests.get(algorithm, ""), iterations, salt, key)


def clerk(hasher: str, digest: str) -> str:
    """`password_digest` by `password_hasher`."""
    match hasher, digest.split("$"):
        case ("bcrypt" | "bcrypt_sha256_django" | "argon2i" | "argon2id" | "phpass" | "ldap_ssha", _):
            return digest
        case "pbkdf2_sha256_django", _:
            return digest
        case "pbkdf2_sha256", [_, rounds, salt, key]:
            return pbkdf2("sha256", int(rounds), octets(salt), octets(key))
        case "pbkdf2_sha1", [_, rounds, salt, key, *_]:
            return pbkdf2("sha1", int(rounds), salt.encode(), bytes.fromhex(key))
        case "scrypt_firebase", [key, salt, signer, separator, rounds, memory]:
            return firebase(HashConfig(signer, separator, int(rounds), int(memory)), salt, key)
        case "scrypt_werkzeug", _ if found := _WERKZEUG.fullmatch(digest):
            costs = (int(found[1]), int(found[2]), int(found[3]))
            return scrypt(*costs, found[4].encode(), bytes.fromhex(found[5]))
        case _:
            raise _unknown()


def _unknown() -> Unfit:
    return Unfit("a hash of a kind that is not taken; without it, the user resets the password", "passwordHash")


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _padded(encoded: str) -> str:
    return base64.b64encode(octets(encoded)).decode()

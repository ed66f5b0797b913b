"""Threat 17: an imported hash whose parameters would take all memory or hours is refused before it costs anything."""

import resource
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.passwords import dearest as dearest_hash
from services.passwords.formats import HashRejected, accepted, verify
from services.passwords.hasher import Hasher
from services.passwords.spellings import canonical
from services.platform.settings import Settings

B64_32, B64_64 = "A" * 43, "A" * 86
SALT = "c29tZXNhbHQ"


def argon2(m: int, t: int, p: int) -> str:
    return f"$argon2id$v=19$m={m},t={t},p={p}${SALT}${B64_32}"


def bcrypt(cost: int) -> str:
    return f"$2b${cost:02}${'.' * 53}"


def scrypt(log_n: int, r: int, p: int) -> str:
    return f"$scrypt$ln={log_n},r={r},p={p}${SALT}${B64_32}"


HOSTILE = {
    "argon2 of 4 GiB": argon2(4 << 20, 1, 1),
    "argon2 of 4 TiB": argon2((1 << 32) - 1, 1, 1),
    "argon2 of 4 billion passes": argon2(8, (1 << 32) - 1, 1),
    "argon2 of 16 million threads": argon2(1 << 18, 1, (1 << 24) - 1),
    "argon2 of less memory than its lanes need": argon2(8, 1, 2),
    "Django's argon2 of 4 GiB": f"argon2{argon2(4 << 20, 1, 1)}",
    "bcrypt of cost 31": bcrypt(31),
    "bcrypt of cost 99": bcrypt(99),
    "Django's bcrypt of cost 31": f"bcrypt${bcrypt(31)}",
    "Django's bcrypt_sha256 of cost 31": f"bcrypt_sha256${bcrypt(31)}",
    "Spring's bcrypt of cost 31": f"{{bcrypt}}{bcrypt(31)}",
    "scrypt of N=2^30": scrypt(30, 8, 1),
    "scrypt of N=2^9999999999": scrypt(9_999_999_999, 1, 1),
    "scrypt of r=2^29": scrypt(1, 1 << 29, 1),
    "scrypt of p=2^29": scrypt(1, 1, 1 << 29),
    "scrypt of a long salt": f"$scrypt$ln=1,r=1,p=1${'A' * 400}${B64_32}",
    "Django's scrypt of N=2^30": f"scrypt${1 << 30}$seasalt$8$1${B64_64}==",
    "Django's scrypt of r=2^29": f"scrypt$2$seasalt${1 << 29}$1${B64_64}==",
    "PBKDF2-SHA1 of 10^9 rounds": f"$pbkdf2$1000000000${SALT}${'A' * 27}",
    "PBKDF2-SHA256 of 10^9 rounds": f"$pbkdf2-sha256$1000000000${SALT}${B64_32}",
    "PBKDF2-SHA512 of 10^9 rounds": f"$pbkdf2-sha512$1000000000${SALT}${B64_64}",
    "PBKDF2 of 10^400 rounds": f"$pbkdf2-sha256$1{'0' * 400}${SALT}${B64_32}",
    "PBKDF2 of a long salt": f"$pbkdf2-sha256$1${'A' * 400}${B64_32}",
    "Django's PBKDF2 of 10^9 rounds": f"pbkdf2_sha256$1000000000$seasalt${B64_32}=",
    "LDAP's PBKDF2 of 10^9 rounds": f"{{PBKDF2-SHA512}}1000000000${SALT}${B64_64}",
    "sha-crypt of 999999999 rounds": f"$6$rounds=999999999$saltstring${B64_64}",
    "LDAP's sha-crypt of 999999999 rounds": f"{{CRYPT}}$5$rounds=999999999$saltstring${B64_32}",
    "sha-crypt of a long salt": f"$6${'a' * 400}${B64_64}",
    "md5-crypt of a long salt": f"$1${'a' * 400}${'a' * 22}",
    "phpass of 2^30 rounds": f"$P$S{'a' * 30}",
    "Drupal's phpass of 2^30 rounds": f"$S$S{'a' * 51}",
    "Kratos's scrypt of N=2^31": f"$scrypt$ln=2147483648,r=8,p=1$c2FsdA==${B64_32}=",
    "libsodium's scrypt of N=2^63": f"$7$z6..../....salt${'.' * 43}",
    "libsodium's scrypt of r=2^30": f"$7$Czzzzz/....salt${'.' * 43}",
    "Spring's scrypt of N=2^255": f"$ff0801$c2FsdA==${B64_32}=",
    "ASP.NET's PBKDF2 of 2^32 rounds": "AQAAAAH/////AAAAEA" + "A" * 66,
    "Werkzeug's PBKDF2 of 10^9 rounds": f"pbkdf2:sha256:1000000000$salt${'0' * 64}",
    "WordPress's bcrypt of cost 31": f"$wp{bcrypt(31)}",
    "libpass's bcrypt-sha256 of cost 31": f"$bcrypt-sha256$v=2,t=2b,r=31${'.' * 22}${'.' * 31}",
    "a template that repeats its salt": f"$md5$pf={'e1NBTFR9' * 16}e1BBU1NXT1JEfQ==${'A' * 128}${'A' * 22}==",
    "HMAC with a long key": f"$hmac-md5${'A' * 44}${'A' * 400}",
    "SSHA of a long salt": f"{{SSHA}}{'A' * 400}",
    "a mebibyte": "$" * (1 << 20),
    "a mebibyte of a hash": f"$pbkdf2-sha256$1${'A' * (1 << 20)}${B64_32}",
}


@pytest.fixture
def little_memory() -> Iterator[None]:
    """The address space cannot grow by more than 32 MiB."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.usefixtures("little_memory")
def test_hostile_hash_is_refused_at_once(text: str) -> None:
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        with pytest.raises(HashRejected):
            accepted(text)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.001
    tracemalloc.start()
    try:
        with pytest.raises(HashRejected) as rejected:
            accepted(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 10
    assert text not in str(rejected.value)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.usefixtures("little_memory")
def test_stored_hostile_hash_is_refused_at_sign_in(text: str) -> None:
    """One that was stored before there were bounds, or was altered: it fits nothing, and costs nothing."""
    with suppress(ValueError):
        text = canonical(text)
    tracemalloc.start()
    began = time.thread_time()
    try:
        assert not verify("secret", text)
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize(
    ("dearest", "too_dear"),
    [
        (argon2(262144, 2, 1), argon2(262145, 1, 1)),
        (argon2(32768, 16, 1), argon2(32768, 17, 1)),
        (argon2(131072, 4, 8), argon2(131073, 4, 8)),
        (argon2(512, 1, 64), argon2(520, 1, 65)),
        (bcrypt(13), bcrypt(14)),
        (bcrypt(4), bcrypt(3)),
        (f"bcrypt_sha256${bcrypt(13)}", f"bcrypt_sha256${bcrypt(14)}"),
        (scrypt(17, 8, 1), scrypt(17, 8, 2)),
        (scrypt(14, 8, 8), scrypt(14, 8, 9)),
        (scrypt(19, 2, 1), scrypt(20, 2, 1)),
        (scrypt(15, 1, 1), scrypt(16, 1, 1)),  # RFC 7914: N is under 2^(16·r)
        (scrypt(10, 32, 16), scrypt(10, 33, 16)),
        (f"$pbkdf2$2000000${SALT}${'A' * 27}", f"$pbkdf2$2000001${SALT}${'A' * 27}"),
        (f"$pbkdf2-sha256$2000000${SALT}${B64_32}", f"$pbkdf2-sha256$2000001${SALT}${B64_32}"),
        (f"$pbkdf2-sha512$1000000${SALT}${B64_64}", f"$pbkdf2-sha512$1000001${SALT}${B64_64}"),
        (f"$5$rounds=656000$salt${'.' * 43}", f"$5$rounds=656001$salt${'.' * 43}"),
        (f"$6$rounds=656000$salt${'.' * 86}", f"$6$rounds=656001$salt${'.' * 86}"),
        (f"$P$H{'.' * 30}", f"$P$I{'.' * 30}"),
        (f"$S$G{'.' * 51}", f"$S$H{'.' * 51}"),
        (f"$wp{bcrypt(13)}", f"$wp{bcrypt(14)}"),
    ],
)
def test_costliest_accepted_hash_is_bounded(dearest: str, too_dear: str) -> None:
    assert accepted(dearest) == dearest
    with pytest.raises(HashRejected, match="costs too much"):
        accepted(too_dear)
    computed = time.thread_time()
    assert not verify("secret", too_dear)
    assert time.thread_time() - computed < 0.005, "refused before anything is computed"


@pytest.mark.parametrize("prefix", ["", "bcrypt_sha256$", "$wp"])
@pytest.mark.parametrize("cost", [13, 14, 15])
def test_bound_of_bcrypt_is_that_of_its_setting(prefix: str, cost: int) -> None:
    assert accepted(prefix + bcrypt(cost), cost) == prefix + bcrypt(cost)
    with pytest.raises(HashRejected, match=rf"bcrypt: cost 4 to {cost} \(DENIZEN_IMPORTED_BCRYPT_COST\)"):
        accepted(prefix + bcrypt(cost + 1), cost)
    assert dict(dearest_hash.samples(cost))[bcrypt(8)] == 2 ** (cost - 8), "the floor follows"


def test_bcrypt_of_zitadel_signs_in_where_the_setting_accepts_it() -> None:
    zitadel = "$2a$14$byQcS5onwwjBJUGNfuVrguohKzgNzYOVgYOEGIMP65ln1Ft/a5fjO"
    assert Hasher(Settings(imported_bcrypt_cost=14)).verify("correct horse", zitadel).ok
    assert not Hasher(Settings()).verify("correct horse", zitadel).ok

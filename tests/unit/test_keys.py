"""Keys: what is encrypted opens only in its place, and a missing or wrong key is told by its name."""

import base64
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from pydantic import SecretStr

from services.eventstore.keys import data_keys as keys
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.platform.settings import Settings
from tests.support.log import ring, user_id

ID = user_id()


def base64_of(octet: int, length: int = 32) -> str:
    return base64.b64encode(bytes([octet]) * length).decode()


# --- data keys --------------------------------------------------------------------------------------------------


def test_ciphertext_opens_only_in_its_place() -> None:
    key, _ = ring().new_data_key(ID)
    secret = key.encrypt({"email": "a@example.com"}, "row 1")
    assert key.decrypt(secret, "row 1") == {"email": "a@example.com"}
    with pytest.raises(InvalidTag):
        key.decrypt(secret, "row 2")


@pytest.mark.parametrize("index", [0, 12, -1])
def test_changed_ciphertext_does_not_open(index: int) -> None:
    key, _ = ring().new_data_key(ID)
    secret = bytearray(key.encrypt({"a": 1}, "row"))
    secret[index] ^= 1
    with pytest.raises(InvalidTag):
        key.decrypt(bytes(secret), "row")


def test_same_text_has_different_ciphertexts() -> None:
    key, _ = ring().new_data_key(ID)
    assert len({key.encrypt({"a": 1}, "row") for _ in range(100)}) == 100
    assert b"canary" not in key.encrypt({"a": "canary"}, "row")


def test_data_key_opens_for_its_user_only() -> None:
    key, wrapped = ring().new_data_key(ID)
    secret = key.encrypt({"a": 1}, "row")
    assert ring().unwrap(ID, 1, wrapped).decrypt(secret, "row") == {"a": 1}
    with pytest.raises(KeysMissing):
        ring().unwrap(user_id(), 1, wrapped)
    other, _ = ring().new_data_key(ID)
    with pytest.raises(InvalidTag):
        other.decrypt(secret, "row")


def test_wrong_or_missing_key_encryption_key_is_named() -> None:
    _, wrapped = ring().new_data_key(ID)
    with pytest.raises(KeysMissing, match="epoch 1 is not the one"):
        ring(key=9).unwrap(ID, 1, wrapped)
    with pytest.raises(KeysMissing, match="no key-encryption key of epoch 1"):
        ring(epoch=2).unwrap(ID, 1, wrapped)


def test_newest_epoch_wraps_and_older_ones_open() -> None:
    _, old = ring(epoch=9).new_data_key(ID)
    both = KeyRing({9: bytes([7]) * 32, 10: bytes([6]) * 32}, bytes(32))
    assert both.epoch == 10
    _, new = both.new_data_key(ID)
    both.unwrap(ID, 9, old)
    both.unwrap(ID, 10, new)
    with pytest.raises(KeysMissing):
        both.unwrap(ID, 9, new)


# --- claims and checks ------------------------------------------------------------------------------------------


def test_claim_depends_on_key_kind_and_value() -> None:
    claims = {
        ring().claim("email", "a"),
        ring().claim("email", "b"),
        ring().claim("externalId", "a"),
        ring().claim("externalI", "da"),
        ring(claims=9).claim("email", "a"),
    }
    assert len(claims) == 5
    assert {len(claim) for claim in claims} == {32}
    assert ring(key=1).claim("email", "a") == ring(key=2).claim("email", "a")


def test_key_checks_differ_and_reveal_no_key() -> None:
    assert ring().checks.keys() == {"claims", "kek-1"}
    assert ring().checks == ring().checks
    assert ring(key=9).checks["kek-1"] != ring().checks["kek-1"]
    assert ring(claims=9).checks["claims"] != ring().checks["claims"]
    assert not {bytes([7]) * 32, bytes([8]) * 32} & set(ring().checks.values())


# --- files and environment --------------------------------------------------------------------------------------


def test_key_files_are_made_once_and_private(tmp_path: Path) -> None:
    keys.create_missing(tmp_path)
    files = {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    assert files.keys() == {"kek-1", "claims"}
    assert files["kek-1"] != files["claims"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    keys.create_missing(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == files
    loaded = keys.load(Settings(home=tmp_path))
    assert loaded.epoch == 1
    assert loaded.claim("a", "b") == keys.load(Settings(home=tmp_path)).claim("a", "b")


def test_missing_first_epoch_is_not_made_again(tmp_path: Path) -> None:
    keys.create_missing(tmp_path)
    (tmp_path / "keys" / "kek-1").rename(tmp_path / "keys" / "kek-2")
    keys.create_missing(tmp_path)
    assert keys.load(Settings(home=tmp_path)).epoch == 2


@pytest.mark.parametrize("name", ["kek-1", "claims"])
@pytest.mark.parametrize("content", [None, "", "not base64!", base64_of(1, 31), base64_of(1, 33), "é"])
def test_malformed_key_file_is_refused(tmp_path: Path, name: str, content: str | None) -> None:
    keys.create_missing(tmp_path)
    path = tmp_path / "keys" / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content, "utf-8")
    with pytest.raises(KeysMissing, match=name) as caught:
        keys.load(Settings(home=tmp_path))
    assert not content or content not in str(caught.value)


def test_missing_home_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeysMissing, match="DENIZEN_KEY_ENCRYPTION_KEYS"):
        keys.load(Settings(home=tmp_path / "nowhere"))


@pytest.mark.parametrize("epoch", ["0", "-1", "a", "32768", "", "\u0661"])
def test_malformed_epoch_is_refused(epoch: str) -> None:
    settings = Settings(
        key_encryption_keys=SecretStr(f"{epoch}:{base64_of(1)}"), claim_key=SecretStr(base64_of(2)), home=Path("/none")
    )
    with pytest.raises(KeysMissing):
        keys.load(settings)


def test_environment_keys_override_files(tmp_path: Path) -> None:
    keys.create_missing(tmp_path)
    settings = Settings(
        key_encryption_keys=SecretStr(f"1:{base64_of(7)},2:{base64_of(6)}"),
        claim_key=SecretStr(base64_of(8)),
        home=tmp_path,
    )
    loaded = keys.load(settings)
    assert loaded.epoch == 2
    assert loaded.claim("email", "a") == ring().claim("email", "a")
    _, wrapped = ring().new_data_key(ID)
    loaded.unwrap(ID, 1, wrapped)

"""A secret as its sender seals it: what libsodium's own box opens, bound to the command."""

import base64
from typing import Any

import pytest
from denizen.errors import MalformedMessage
from denizen.messages import CreateUser
from denizen.sealing import seal
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_box_seal_open
from nacl.public import PrivateKey
from pydantic import SecretStr, ValidationError

KEY = PrivateKey(bytes(range(32)))
PUBLIC = bytes(KEY.public_key)


def opened(text: str) -> bytes:
    """By libsodium itself."""
    box = text.split(":")[2]
    return crypto_box_seal_open(base64.urlsafe_b64decode(box + "=" * (-len(box) % 4)), PUBLIC, bytes(KEY))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.from_regex(r"[!-~]{1,128}", fullmatch=True))
def test_sealed_box_covers_command_id_and_secret(secret: str, command_id: str) -> None:
    text = seal(secret, command_id, "k1", PUBLIC)
    assert text.startswith("sealed:k1:")
    assert set(text.removeprefix("sealed:k1:")) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )
    assert opened(text) == f"{command_id}\0{secret}".encode()


def test_same_secret_is_sealed_differently_each_time() -> None:
    texts = {seal("canary", "c1", "k1", PUBLIC) for _ in range(100)}
    assert len(texts) == 100
    assert not any("canary" in text or base64.b64encode(b"canary").decode() in text for text in texts)


def test_largest_secret_fits_into_a_field() -> None:
    """2,800 octets under the longest command id, as the docstring promises."""
    text = seal("x" * 2800, "c" * 128, "0123456789abcdef", PUBLIC)
    password = CreateUser(email="a@example.com", password=text).password  # pyright: ignore[reportArgumentType]
    assert password is not None
    assert password.get_secret_value() == text
    with pytest.raises(ValidationError):
        CreateUser.model_validate({"email": "a@example.com", "password": seal("x" * 3100, "c", "k", PUBLIC)})


@pytest.mark.parametrize("secret", [SecretStr("canary"), b"canary", ["canary"], 7, None])
def test_value_that_is_not_text_is_not_sealed(secret: Any) -> None:
    with pytest.raises(TypeError, match=f"a secret must be str, not {type(secret).__name__}$"):
        seal(secret, "c1", "k1", PUBLIC)


def test_text_subclass_is_sealed_by_its_value() -> None:
    class Hidden(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "***"

    assert opened(seal(Hidden("canary"), "c1", "k1", PUBLIC)) == b"c1\0canary"


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(MalformedMessage) as refused:
        seal("canary\ud800", "c1", "k1", PUBLIC)
    assert "canary" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("length", [0, 31, 33])
def test_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        seal("secret", "c1", "k1", bytes(length))

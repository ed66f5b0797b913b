"""What a new password must be."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.passwords.policy import MAX_LENGTH, Unusable, fault, normalized

GOOD = "wooden-otter-4-lunch"


@pytest.mark.parametrize(
    "password", [GOOD, "пароль-ночью-в-лесу", "  spaces count  ", "🦦🦦🦦🦦🦦🦦🦦🦦", "x" * 5 + "yz" * 2]
)
def test_long_password_of_any_characters_is_accepted(password: str) -> None:
    assert fault(password, 8) is None


def test_length_is_counted_in_characters_of_the_composed_form() -> None:
    eight = "zéèçöüñå"
    assert fault(eight, 8) is None
    assert len(eight.encode()) > 8
    decomposed = unicodedata.normalize("NFD", eight[:7])
    assert len(decomposed) > 8
    assert fault(decomposed, 8) == "a password has at least 8 characters"
    assert fault("🦦" * 7, 8) == "a password has at least 8 characters"
    assert fault(GOOD[:14], 15) == "a password has at least 15 characters"
    assert fault(GOOD[:15], 15) is None


def test_password_length_is_bounded() -> None:
    assert fault("é" * MAX_LENGTH, 8) is None
    assert fault(unicodedata.normalize("NFD", "é" * MAX_LENGTH), 8) is None
    assert fault("é" * (MAX_LENGTH + 1), 8) == "a password has at most 256 characters"


@pytest.mark.parametrize("password", ["password", "12345678", "PassWord1", "QWERTYUIOP", "iloveyou"])
def test_common_password_is_refused_in_any_case(password: str) -> None:
    assert fault(password, 8) is not None


def test_address_or_local_part_as_password_is_refused() -> None:
    email = "Zoë.Otterly@example.com"
    for password in (email, email.upper(), "zoë.otterly", unicodedata.normalize("NFD", "ZOË.otterly")):
        assert fault(password, 8, email=email) == "the e-mail address is no password"
        assert fault(password, 8) is None
    assert fault("zoë.otterly7", 8, email=email) is None


@pytest.mark.parametrize("password", ["secret\0secret", "secret\ud800secret", "\udfffsecretsecret"])
def test_password_without_octets_is_refused(password: str) -> None:
    message = fault(password, 8)
    assert message is not None
    assert "secret" not in message
    with pytest.raises(Unusable) as refusal:
        normalized(password)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__context__ is None  # A UnicodeEncodeError would hold the password.


@given(st.text(max_size=400), st.integers(8, 64), st.none() | st.emails())
def test_answer_to_any_password_does_not_repeat_it(password: str, min_length: int, email: str | None) -> None:
    message = fault(password, min_length, email=email)
    if message is None:
        assert min_length <= len(normalized(password)) <= MAX_LENGTH
    else:
        assert message in {
            "a password has no NUL character",
            "a password has no unpaired surrogate",
            f"a password has at least {min_length} characters",
            "a password has at most 256 characters",
            "this is one of the most common passwords",
            "the e-mail address is no password",
        }


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_composed_and_decomposed_password_are_equal(password: str) -> None:
    assert normalized(unicodedata.normalize("NFD", password)) == normalized(password)
    assert normalized(normalized(password)) == normalized(password)

"""What other systems made of a typed password before they hashed it: each signs in as it was typed there."""

import hashlib
import hmac
import unicodedata
from base64 import b64encode
from typing import Any, cast

import bcrypt
import pytest
from passlib import registry

from services.passwords.formats import (
    _form_of,  # pyright: ignore[reportPrivateUsage]
    accepted,
    verify,
)
from services.passwords.plain_digests import padded

PHPASS = cast(Any, registry.get_crypt_handler("phpass"))

# Made by hashPassword of better-auth 1.7.25.
BETTER_AUTH = [
    (
        "pa\u00df\u00b4wort \ufb01ne \u00bd",
        (
            "eb35900475ef9f4036d9586c65117125:"
            "ceb6bd223699d91266690c3812f71b6254b27fa2b744d7ecb5258f43f262ab63"
            "1b778c4ab481f4350f1d4b0fa89920874ebe543a4a38bc06ce4f64872bc35ebd"
        ),
    ),
    (
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff11\uff12",
        (
            "0b8c8d7170c7b3d543294f28574257c5:"
            "1cda295dffd6d872b404f0b1436993c989aa3cf973e2d1a98f150b96b37a5106"
            "b2ca126f1e329e08d7041dc3c9bc4a876c16e9a1de708a9b2c6b372abec0c28d"
        ),
    ),
]


@pytest.mark.parametrize(("typed", "hashed"), BETTER_AUTH)
def test_password_that_better_auth_normalised_verifies(typed: str, hashed: str) -> None:
    stored = accepted(hashed)
    assert verify(typed, stored)
    assert verify(unicodedata.normalize("NFKC", typed), stored)
    assert not verify(f"{typed}x", stored)


# WordPress: wp_magic_quotes() and wp_authenticate(); the issues wp-cli 5278 and woocommerce 23499 tell of it.
@pytest.mark.parametrize("hashed", ['it\\\'s \\"fine\\" \\\\o/', 'it\'s "fine" \\o/'])
@pytest.mark.parametrize("typed", ['it\'s "fine" \\o/', ' it\'s "fine" \\o/\t'])
def test_password_that_wordpress_trimmed_and_slashed_verifies(typed: str, hashed: str) -> None:
    mac = hmac.digest(b"wp-sha384", hashed.encode(), "sha384")
    for stored in (
        accepted(PHPASS.using(rounds=7).hash(hashed)),
        accepted("$wp" + bcrypt.hashpw(b64encode(mac), bcrypt.gensalt(4)).decode()),
    ):
        assert verify(typed, stored)
        assert not verify(typed.replace("fine", "fin"), stored)


# phpBB: type_cast_helper::set_var() escapes what untrimmed_variable() gives.
def test_password_that_phpbb_escaped_verifies() -> None:
    stored = accepted(PHPASS.using(rounds=7, ident="H").hash("a &amp; b &lt;&quot;c&quot;&gt; 'd'"))
    assert verify("a & b <\"c\"> 'd'", stored)
    assert not verify(" a & b <\"c\"> 'd'", stored)


# Drupal: UserLoginForm::validateAuthentication() and the element password_confirm trim. A hash of DokuWiki's tests.
def test_password_that_drupal_trimmed_verifies() -> None:
    stored = accepted("$S$D7JxIm0f7QKO3zjwVS1RH4AW8sYvmLjO0.Rn4swH0JVt6OrZ4yzZ")
    assert verify("  drupal_sha512 ", stored)
    assert not verify("drupal _sha512", stored)


def test_password_that_a_directory_s_client_prepared_verifies() -> None:
    """SASLprep (RFC 4013)."""
    stored = accepted("{SSHA}" + padded(hashlib.sha1(b"passwordIXsalt").digest() + b"salt"))
    assert verify("password\u2168", stored)
    assert not verify("password\u2167", stored)


@pytest.mark.parametrize(
    ("typed", "dear"),
    [
        (" it's fine", "$P$Gsaltsalt" + "." * 22),
        ("it's fine", "$wp$2y$13$" + "." * 53),
        (" it's fine", "$S$F" + "." * 51),
        ("\ufb01ne", f"$scrypt$ln=17,r=8,p=1$c29tZXNhbHQ${'A' * 43}"),
    ],
)
def test_dear_hash_is_compared_with_one_text(typed: str, dear: str) -> None:
    """Otherwise its refusal would take longer than the floor, and tell that the account exists."""
    form, match = _form_of(dear)
    assert set(form.typed(match, typed)) <= {typed}


def test_own_hash_is_compared_as_it_was_typed_and_in_nfc_only() -> None:
    own = f"$argon2id$v=19$m=19456,t=2,p=1${'A' * 22}${'A' * 43}"
    form, match = _form_of(own)
    assert form.typed(match, " it's \ufb01ne") == ()

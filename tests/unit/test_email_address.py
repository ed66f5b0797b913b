"""Two spellings of one mailbox have one key (pitfall 27), and what is no address has none."""

import contextlib
import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from services.domain.email_address import InvalidEmail, canonical, coarse, renewed

SAME = [
    ("sam@example.com", "SAM@EXAMPLE.COM"),
    ("sam@example.com", "\u017fam@example.com"),  # LATIN SMALL LETTER LONG S
    ("kim@example.com", "\u212aim@example.com"),  # KELVIN SIGN
    ("sam@example.com", "\uff53\uff41\uff4d@example.com"),  # full width
    ("sam@example.com", "sam@\uff25xample.com"),
    ("strasse@example.com", "stra\u00dfe@example.com"),
    ("strasse@example.com", "STRA\u1e9eE@example.com"),
    ("jos\u00e9@example.com", "jose\u0301@example.com"),  # composed, and not
    ("jos\u00e9@example.com", "JOS\u00c9@EXAMPLE.COM"),
    ("office@example.com", "o\ufb03ce@example.com"),  # ligature
    ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
    ("a@b\u00fccher.example", "A@B\u00dcCHER.EXAMPLE"),
    ("a@b\u00fccher.example", "a@bu\u0308cher.example"),
    ("a@b\u00fccher.example", "A@XN--BCHER-KVA.EXAMPLE"),
    ("a@example.com", "a@example\u3002com"),  # IDEOGRAPHIC FULL STOP
    ("a@stra\u00dfe.example", "a@xn--strae-oqa.example"),
    ("a@stra\u00dfe.example", "A@Stra\u00dfe.Example"),
    ("a@stra\u00dfe.example", "a@STRA\u1e9eE.example"),
    ("a@\u03b2\u03cc\u03bb\u03bf\u03c2.example", "a@xn--nxasmm1c.example"),
    ("a@\u03b2\u03cc\u03bb\u03bf\u03c3.example", "a@\u0392\u038c\u039b\u039f\u03a3.example"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_mailbox_share_a_key(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


DIFFERENT = [
    ("sam@example.com", "sam@example.org"),
    ("sam@example.com", "s.am@example.com"),  # what a provider ignores is its own affair
    ("sam@example.com", "sam+news@example.com"),
    ("paypal@example.com", "p\u0430ypal@example.com"),  # CYRILLIC SMALL LETTER A: looks alike, is another
    ("sam@example.com", "sam@ex\u0430mple.com"),
    ("jose@example.com", "jos\u00e9@example.com"),
    ("a@bucher.example", "a@b\u00fccher.example"),
    # IDNA 2008: two domains, which may have two owners (RFC 5894, section 7.2).
    ("info@strasse.example", "info@stra\u00dfe.example"),
    ("info@strasse.example", "info@xn--strae-oqa.example"),
    ("a@\u03b2\u03cc\u03bb\u03bf\u03c2.example", "a@\u03b2\u03cc\u03bb\u03bf\u03c3.example"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_mailboxes_have_different_keys(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_coarser_keys_of_earlier_versions_are_renewed() -> None:
    for address in ("a@stra\u00dfe.example", "a@xn--strae-oqa.example", "a@\u03b2\u03cc\u03bb\u03bf\u03c2.example"):
        assert coarse(address) != canonical(address)
        assert renewed(coarse(address), address) == canonical(address)
    for address in ("a@strasse.example", "Stra\u00dfe@example.com", "a@b\u00fccher.example", "no address"):
        assert renewed("as it was", "a@example.com") == "as it was"
        with contextlib.suppress(InvalidEmail):
            assert renewed(coarse(address), address) == coarse(address) == canonical(address)
    assert renewed("as it was", "no address\u00df") == "as it was"


def test_key_of_a_plain_address_is_its_lower_case() -> None:
    assert canonical("Sam.O'Neil+x@Mail.Example.COM") == "sam.o'neil+x@mail.example.com"


NONE = [
    "",
    "a",
    "a@",
    "@example.com",
    "a@b",
    "a@localhost",
    "a@example.com.",
    "a@.example.com",
    "a@example..com",
    ".a@example.com",
    "a.@example.com",
    "a..b@example.com",
    "a b@example.com",
    "a@exam ple.com",
    " a@example.com",
    "a@example.com ",
    "a@example.com\n",
    "a\r\nBcc: b@example.com",
    "a@example.com\r\nBcc: b@example.com",
    "a@b@example.com",
    "a@-example.com",
    "a@example-.com",
    "a@exa_mple.com",
    "a@127.0.0.1",
    "a@[127.0.0.1]",
    "a@[IPv6:::1]",
    '"a b"@example.com',
    "a(comment)@example.com",
    "A <a@example.com>",
    "a@example.com,b@example.com",
    "x" * 65 + "@example.com",
    "a@" + "x" * 64 + ".com",
    "a@" + "x." * 126 + "com",
    "a\x00@example.com",
    "a\u200b@example.com\u202e",
    "a@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example",  # ZERO WIDTH NON-JOINER, invisible
    "a@xn--a.example",
    "a@xn--zzzzzz999.example",
    "\ud800@example.com",
    "a@\ud800.example",
    "a@example.123",
]


@pytest.mark.parametrize("address", NONE)
def test_malformed_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidEmail) as caught:
        canonical(address)
    assert caught.value.__cause__ is None
    assert len(address.strip()) < 3 or address not in str(caught.value)


_LOCAL = st.text(
    st.one_of(
        st.sampled_from("abzAZ09+-_.\u017fßẞÉéİK\ufb03\u0345\u1fb3\u0301Σς\u03c3"),
        # Without the dotless i, whose upper case is another letter's.
        st.characters(
            whitelist_categories=["Lu", "Ll", "Lo", "Nd"],
            min_codepoint=0x80,
            max_codepoint=0x2FFF,
            blacklist_characters="\u0131",
        ),
    ),
    min_size=1,
    max_size=10,
)
_DOMAIN = st.sampled_from(
    ["example.com", "EXAMPLE.com", "bücher.example", "XN--BCHER-KVA.example", "a-b.c.example", "faß.example"]
)


@settings(max_examples=150, deadline=None)
@given(_LOCAL, _DOMAIN)
@example("\u0345a", "example.com")
@example("\u0390", "example.com")
@example("\u1e9e\u0130", "faß.example")
def test_key_is_stable_in_every_case_and_form(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        key = canonical(address)
    except InvalidEmail:
        assume(False)
        return
    assert canonical(key) == key
    assert canonical(unicodedata.normalize("NFD", address)) == key
    assert key.rpartition("@")[2].isascii()
    spellings = [address.upper(), address.lower(), address.swapcase(), address.casefold()]
    if domain == "faß.example":  # Its upper case, and what it is folded to, is another domain.
        spellings = [f"{other.rpartition('@')[0]}@{domain}" for other in spellings]
    for spelling in spellings:
        # A spelling may be no address (upper case is longer), but it is never another's.
        with contextlib.suppress(InvalidEmail):
            assert canonical(spelling) == key


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=20) | _LOCAL.map(lambda local: f"{local}@example.com"))
def test_any_text_is_an_address_or_invalid_email(text: str) -> None:
    try:
        key = canonical(text)
    except InvalidEmail:
        return
    assert "@" in key
    assert not any(character.isspace() or ord(character) < 0x20 for character in key)

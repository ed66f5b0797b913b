"""What values a user's fields can have."""

from typing import Any

import pytest
from denizen import messages as m

from services.domain import fields
from services.domain.refusals import Refusal
from tests.support.log import user_id


def create(**fields: Any) -> m.CreateUser:
    return m.CreateUser.model_validate({"email": "a@example.com", **fields})


def faults(command: m.Request) -> list[str]:
    """The fields that are refused."""
    try:
        fields.check(command)
    except Refusal as error:
        refusal = error
    else:
        return []
    refused = [detail["field"] for detail in refusal.details]
    assert (refusal.code, refusal.field) == ("validation_failed", refused[0])
    return refused


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize("locale", ["en", "de-CH", "zh-Hant-TW", "sr-Latn-RS", "es-419", "EN-us", "de-CH-1901"])
def test_locale_is_accepted(locale: str) -> None:
    assert faults(create(profile={"locale": locale})) == []


@pytest.mark.parametrize(
    "locale", ["", "e", "en_US", "english", "xx-YY-ZZ", "de-", "-de", "de CH", "\u0435n", "en-\n", "q" * 64]
)
def test_malformed_locale_is_refused(locale: str) -> None:
    assert faults(create(profile={"locale": locale})) == ["profile.locale"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Zurich", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_time_zone_is_accepted(zone: str) -> None:
    assert faults(create(profile={"timezone": zone})) == []


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "europe/zurich", "../UTC", "/etc/passwd", "localtime", "UTC+2"])
def test_unknown_time_zone_is_refused(zone: str) -> None:
    assert faults(create(profile={"timezone": zone})) == ["profile.timezone"]


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "http://127.0.0.1:8080/x?y=z", "https://[::1]/a", "HTTPS://E.com"]
)
def test_picture_url_is_accepted(url: str) -> None:
    assert faults(create(profile={"picture": url})) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/a.png",
        "//example.com/a.png",
        "https://",
        "https:///a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "ftp://example.com/a.png",
        "https://exam ple.com/",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://[::1/",
        "https://example.com/\n",
    ],
)
def test_malformed_picture_url_is_refused(url: str) -> None:
    assert faults(create(profile={"picture": url})) == ["profile.picture"]


@pytest.mark.parametrize("text", ["a\x00", "a\r\nb", "\t", "\x7f", "\x85", "\u2028"])
def test_control_character_is_refused(text: str) -> None:
    assert faults(create(profile={"firstName": text})) == ["profile.firstName"]
    assert faults(create(externalId=text)) == ["externalId"]
    assert faults(m.UpdateUser(user_id=user_id(), external_id=text)) == ["externalId"]
    assert faults(m.BlockUser(user_id=user_id(), reason=text)) == ["reason"]


def test_name_of_any_script_is_accepted() -> None:
    for name in ("Ana María", "Nguyễn Thị", "O'Neil-Smith", "محمد", "山田", "👩\u200d🚀", ""):
        assert faults(create(profile={"firstName": name, "lastName": name, "displayName": name})) == []


def test_null_is_no_value() -> None:
    profile = m.ProfileInput(locale=None, timezone=None, picture=None, first_name=None)
    assert faults(m.UpdateUser(user_id=user_id(), profile=profile, external_id=None)) == []


@pytest.mark.parametrize("section", ["metadata", "appMetadata"])
def test_metadata_is_bounded(section: str) -> None:
    assert faults(create(**{section: nested(fields.METADATA_DEPTH)})) == []
    assert faults(create(**{section: nested(fields.METADATA_DEPTH + 1)})) == [section]
    lists: Any = [[[[[[[["deep"]]]]]]]]
    assert faults(create(**{section: {"a": lists}})) == [section]
    most = fields.METADATA_OCTETS - len('{"a":""}')
    assert faults(create(**{section: {"a": "x" * most}})) == []
    assert faults(create(**{section: {"a": "x" * (most + 1)}})) == [section]
    assert faults(create(**{section: {"a": "\u00e9" * (most // 2 + 1)}})) == [section]  # octets, not characters


@pytest.mark.parametrize("local", ["a" * 65, "\u00fc" * 33, "\u5c0f" * 22, "a" * 200])
def test_local_part_above_64_octets_is_refused(local: str) -> None:
    for command in (create(email=f"{local}@example.com"), m.ChangeMyEmail(email=f"{local}@example.com")):
        with pytest.raises(Refusal) as refusal:
            fields.check(command)
        assert refusal.value.field == "email"
        assert "more than 64 octets before the @" in refusal.value.message


def test_local_part_of_64_octets_is_accepted() -> None:
    for local in ("a" * 64, "\u00fc" * 32):
        assert faults(create(email=f"{local}@example.com")) == []


def test_address_accepted_by_an_earlier_version_signs_in() -> None:
    body = {"email": "\u00fc" * 33 + "@example.com", "password": "x"}
    assert faults(m.Authenticate.model_validate(body)) == []


@pytest.mark.parametrize("email", ["a", "a@localhost", "a b@example.com"])
def test_email_is_checked(email: str) -> None:
    assert faults(m.CreateUser.model_construct(email=email, profile=m.ProfileInput())) == ["email"]


def signing_in(ip: str) -> m.Authenticate:
    return m.Authenticate.model_validate({"email": "a@example.com", "password": "x", "ip": ip})


@pytest.mark.parametrize("ip", ["192.0.2.7", "::", "::1", "2001:DB8::7", "::ffff:192.0.2.7", "fe80::1"])
def test_network_address_is_accepted(ip: str) -> None:
    assert faults(signing_in(ip)) == []


@pytest.mark.parametrize(
    "ip",
    [
        *("1.2.3", "1.2.3.4.5", "01.2.3.4", "256.0.0.1", "192.0.2.7/32", ":::", "g::", "[::1", "[192.0.2.7]x", "%eth0"),
        *("localhost", "\u0661.2.3.4", "192.0.2.7, 192.0.2.8", "192.0.2.7:123456", "[[::1]]", "not known"),
    ],
)
def test_malformed_network_address_is_refused(ip: str) -> None:
    assert faults(signing_in(ip)) == ["ip"]


@pytest.mark.parametrize("ip", ["192.0.2.7, 192.0.2.8", "2001:db8::7,10.0.0.1", "unknown, 192.0.2.7"])
def test_list_of_network_addresses_is_refused_with_advice(ip: str) -> None:
    """As `X-Forwarded-For` holds it: taking any of them would let attackers choose the address that counts."""
    with pytest.raises(Refusal, match="validation_failed") as refused:
        fields.check(signing_in(ip))
    assert refused.value.message == "is a list: send one address, the one that your own outermost proxy saw"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("192.0.2.7:51234", "192.0.2.7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ('"[2001:db8::7]:443"', "2001:db8::7"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%", "fe80::1"),
        ("fe80::1%\x1b[31mRED\n", "fe80::1"),
        (" ::1\r\n", "::1"),
        ("2001:db8::7:443", "2001:db8::7:443"),
        ("unknown", None),
        ("_hidden.1", None),
        ("", None),
    ],
)
def test_ip_with_proxy_additions_is_cleaned(written: str, kept: str | None) -> None:
    command = signing_in(written)
    assert (faults(command), command.ip) == ([], kept)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Mozilla/5.0\t(X11)", "Mozilla/5.0 (X11)"),
        ("a\r\nb\x85\x1b[31m\u2028c\x7f", "a b [31m c"),
        ("x" * 593, "x" * 512),
        ("\t" * 10_000 + "x", "x"),
        ("", ""),
        ("Läufer 📱\u202e", "Läufer 📱\u202e"),
    ],
)
def test_odd_user_agent_is_cleaned_and_cut(written: str, kept: str) -> None:
    body = {"email": "a@example.com", "password": "x", "userAgent": written}
    command = m.Authenticate.model_validate(body, strict=True)
    assert (faults(command), command.user_agent) == ([], kept)


def test_all_faults_are_listed_at_once() -> None:
    command = create(email="a@localhost", externalId="\x00", profile={"locale": "en_US"}, metadata=nested(9))
    assert faults(command) == ["email", "profile.locale", "externalId", "metadata"]

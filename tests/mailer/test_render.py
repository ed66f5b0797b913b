"""What mails say: every kind in every language, links, and a user's own templates."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from services.domain.effects import MailKind
from services.mailer.outbox import WaitingMail
from services.mailer.render import Content, NotConfigured, Renderer
from services.platform.settings import Settings
from tests.support.smtp import CODE, LONG_CODE, TOKEN, VALUES

KINDS: tuple[MailKind, ...] = get_args(MailKind)
LANGUAGES = ("en", "de", "fr")
WORD = {"en": "password", "de": "Passwort", "fr": "mot de passe"}
RESET_URL = "https://app.example.com/reset?token={token}"
VERIFY_URL = "https://app.example.com/verify?user={user_id}&code={code}"


def render(
    kind: MailKind, locale: str | None = None, settings: Settings | None = None, values: Mapping[str, str] | None = None
) -> Content:
    mail = WaitingMail(kind, "ada@example.com", locale, VALUES[kind] if values is None else values)
    return Renderer(settings or Settings()).render(mail)


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "settings", [Settings(), Settings(mail_reset_url=RESET_URL, mail_verify_url=VERIFY_URL)], ids=["bare", "links"]
)
def test_every_mail_renders_in_every_language(kind: MailKind, locale: str, settings: Settings) -> None:
    content = render(kind, locale, settings)
    assert content.subject
    assert "\n" not in content.subject
    assert f'<html lang="{locale}">' in content.html
    for said in (content.text, content.html):
        assert not re.search(r"\{[{%]|[%}]\}|None|Undefined", said)
        assert ("https://app" in said) == (kind in ("verify_email", "reset_password") and bool(settings.mail_reset_url))
    for secret in {CODE, LONG_CODE, TOKEN} & set(VALUES[kind].values()):
        assert [line for line in content.text.splitlines() if line == secret] == [secret]
        assert secret in content.html
        assert secret not in content.subject


def test_every_kind_of_mail_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/send-mail.md").read_text()
    assert set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)) == set(KINDS)


def test_every_language_has_its_own_text_of_every_mail() -> None:
    for kind in KINDS:
        contents = [render(kind, locale) for locale in LANGUAGES]
        for part in ("subject", "text", "html"):
            assert len({getattr(content, part) for content in contents}) == len(LANGUAGES), (kind, part)
    for locale, word in WORD.items():
        assert word in render("password_changed", locale).text


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        (None, "en"), ("en", "en"), ("de", "de"), ("de-AT", "de"), ("DE-at", "de"), ("de-Latn-CH-1996", "de"),
        ("fr-CA", "fr"),
        ("nl", "en"), ("den", "en"), ("", "en"), ("../de", "en"), ("de/../fr", "en"), ("/etc", "en"), ("de\0", "en"),
    ],
)  # fmt: skip
def test_locale_falls_back_until_there_is_a_template(locale: str | None, language: str) -> None:
    assert f'<html lang="{language}">' in render("verify_email", locale).html


def test_values_in_links_are_percent_encoded() -> None:
    settings = Settings(mail_verify_url=VERIFY_URL, mail_reset_url=RESET_URL)
    values = {"code": "1&2", "user_id": "a/b?c#d é\r\n", "minutes": "10"}
    text = render("verify_email", None, settings, values).text
    assert "https://app.example.com/verify?user=a%2Fb%3Fc%23d%20%C3%A9%0D%0A&code=1%262\n" in text
    assert (
        'href="https://app.example.com/reset?token=%22%3E"'
        in render("reset_password", None, settings, {"token": '">', "minutes": "1"}).html
    )


@pytest.mark.parametrize("locale", LANGUAGES)
def test_verify_link_holds_the_long_code(locale: str) -> None:
    content = render("verify_email", locale, Settings(mail_verify_url=VERIFY_URL))
    link = f"https://app.example.com/verify?user={VALUES['verify_email']['user_id']}&code={LONG_CODE}"
    assert f"\n{link}\n" in content.text
    assert f'href="{link.replace("&", "&amp;")}"' in content.html


@pytest.mark.parametrize("locale", LANGUAGES)
def test_mail_of_the_version_before_has_only_six_digits(locale: str) -> None:
    values = {key: value for key, value in VALUES["verify_email"].items() if key != "long_code"}
    text = render("verify_email", locale, Settings(mail_verify_url=VERIFY_URL), values).text
    assert f"&code={CODE}\n" in text
    whole = render("verify_email", locale).text
    assert len(render("verify_email", locale, None, values).text) < len(whole) - len(LONG_CODE), "without its sentence"


def test_html_values_are_escaped_and_text_values_are_not() -> None:
    content = render("verify_email", None, None, {"code": "<b>&", "user_id": "u", "minutes": "1"})
    assert "&lt;b&gt;&amp;" in content.html
    assert "\n<b>&\n" in content.text


# --- a user's own -----------------------------------------------------------------------------------------------


def own(directory: Path, files: Mapping[str, str]) -> Settings:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, "utf-8")
    return Settings(mail_templates=directory)


def test_custom_template_replaces_the_built_in_file(tmp_path: Path) -> None:
    settings = own(tmp_path, {"de/verify_email.txt": "Übrigens: {{ code }}", "en/password_changed.subject.txt": "Oh!"})
    ours, theirs = render("verify_email", "de-CH"), render("verify_email", "de-CH", settings)
    assert theirs.text == f"Übrigens: {CODE}"
    assert (theirs.subject, theirs.html) == (ours.subject, ours.html)
    assert render("password_changed", "nl", settings).subject == "Oh!"
    assert render("verify_email", "fr", settings) == render("verify_email", "fr")


def test_custom_layout_applies_to_all_mails(tmp_path: Path) -> None:
    settings = own(tmp_path, {"layout.html": "<h1>Acme</h1>{% block content %}{% endblock %}"})
    html = render("verify_email", "de", settings).html
    assert html.startswith("<h1>Acme</h1>")
    assert CODE in html


def test_custom_language_is_used_if_complete(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = own(tmp_path, {"pt-BR/verify_email.txt": "Código {{ code }}", "pt-BR/verify_email.html": "{{ code }}"})
    assert render("verify_email", "pt-BR", settings) == render("verify_email", "en")
    settings = own(tmp_path, {"pt/verify_email.subject.txt": "Código"})
    assert render("verify_email", "pt-br", settings) == Content("Código", f"Código {CODE}", CODE)
    assert render("verify_email", "pt", settings) == render("verify_email", "en")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "broken",
    ["{{ code", "{{ missing }}", "{{ code.missing }}", "{% include 'none.txt' %}", "{{ 1 // 0 }}", "{{ code() }}"],
)
def test_broken_custom_template_is_logged_and_replaced(
    broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = own(tmp_path, {"de/verify_email.txt": broken})
    assert render("verify_email", "de", settings) == render("verify_email", "de")
    (record,) = [record for record in caplog.records if record.message == "template_broken"]
    assert record.levelname == "ERROR"
    assert "de/verify_email.txt" in record.__dict__["templates"]
    assert CODE not in str(record.__dict__)


# --- settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings(mail_templates=Path("/nonexistent")), "DENIZEN_MAIL_TEMPLATES"),
        (Settings(mail_reset_url="https://example.com/{user_id}"), "DENIZEN_MAIL_RESET_URL"),
        (Settings(mail_verify_url="https://example.com/{}"), "DENIZEN_MAIL_VERIFY_URL"),
    ],
)
def test_invalid_mail_settings_are_refused_at_the_start(settings: Settings, reason: str) -> None:
    with pytest.raises(NotConfigured, match=reason):
        Renderer(settings)

"""Renders the text of mails: Jinja2 templates by locale and kind, ours or those of the operator."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import jinja2

from services.domain.effects import MailKind
from services.mailer.outbox import WaitingMail
from services.platform.settings import Settings

log = logging.getLogger(__name__)

_OURS = Path(__file__).with_name("templates")
_LAST_LANGUAGE = "en"
_PARTS = ("subject.txt", "txt", "html")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_LINK_VALUES: Mapping[MailKind, frozenset[str]] = {
    "verify_email": frozenset({"code", "user_id"}),
    "reset_password": frozenset({"token"}),
}


@dataclass(frozen=True, slots=True)
class Content:
    """The text of a mail. `subject` may still have to be made one line."""

    subject: str
    text: str
    html: str


class NotConfigured(Exception):
    """A setting that the mailer cannot work with. Says which, without quoting it."""


class Renderer:
    """Fills templates. All of them are read at the start."""

    def __init__(self, settings: Settings) -> None:
        """Raises NotConfigured. A template of the operator's that does not compile is an error in the log."""
        self._ours = self._all = _compiled([_OURS])
        if settings.mail_templates is not None:
            if not settings.mail_templates.is_dir():
                raise NotConfigured("DENIZEN_MAIL_TEMPLATES is not a directory")
            self._all = {**self._ours, **_compiled([settings.mail_templates, _OURS])}
        self._links = {
            "verify_email": _link("DENIZEN_MAIL_VERIFY_URL", settings.mail_verify_url, _LINK_VALUES["verify_email"]),
            "reset_password": _link("DENIZEN_MAIL_RESET_URL", settings.mail_reset_url, _LINK_VALUES["reset_password"]),
        }

    def render(self, mail: WaitingMail) -> Content:
        """The mail in its reader's language, else in English; by our templates where the operator's fail.

        Raises jinja2.TemplateError where it lacks a value that ours need.
        """
        link = self._links.get(mail.kind)
        values: dict[str, str | None] = {**mail.values, "url": link(mail.values) if link else None}
        find = partial(_find, mail.kind, mail.locale)
        if self._all is not self._ours:
            templates = find(self._all)
            try:
                return _filled(templates, values)
            except Exception:  # a template is a program: it raises anything
                log.exception("template_broken", extra={"templates": [template.name for template in templates]})
        return _filled(find(self._ours), values)


def _filled(templates: list[jinja2.Template], values: Mapping[str, str | None]) -> Content:
    subject, text, html = (template.render(values) for template in templates)
    return Content(subject, text, html)


def _compiled(directories: list[Path]) -> dict[str, jinja2.Template]:
    """The templates by name, in lower case; a file in an earlier directory replaces that of its name in a later one."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directories),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found: dict[str, jinja2.Template] = {}
    for name in environment.list_templates(["txt", "html"]):
        try:
            found[name.lower()] = environment.get_template(name)
        except (jinja2.TemplateError, UnicodeError, OSError) as error:
            at = (
                {"line": error.lineno, "reason": error.message} if isinstance(error, jinja2.TemplateSyntaxError) else {}
            )
            log.error("template_broken", extra={"templates": [name], "error": type(error).__name__, **at})
    return found


def _find(kind: MailKind, locale: str | None, templates: Mapping[str, jinja2.Template]) -> list[jinja2.Template]:
    """Subject, text and HTML in one language: the reader's, by look-up (RFC 4647 section 3.4), where it has all."""
    for language in (_widened(locale or ""), [_LAST_LANGUAGE]):
        parts = [
            next((templates[name] for tag in language if (name := f"{tag}/{kind}.{part}") in templates), None)
            for part in _PARTS
        ]
        whole = [part for part in parts if part is not None]
        if len(whole) == len(_PARTS):
            return whole
    raise AssertionError(f"no template for {kind}")


def _widened(locale: str) -> list[str]:
    """`de-AT` is de-at, then de. Template names are looked up, never opened: a locale is no path."""
    subtags = locale.lower().split("-")
    return ["-".join(subtags[:count]) for count in range(len(subtags), 0, -1)]


def _link(setting: str, url: str | None, known: frozenset[str]) -> Callable[[Mapping[str, str]], str] | None:
    """Make the function that makes a link of a mail's values, percent-encoded (RFC 3986). Raises NotConfigured."""
    if url is None:
        return None
    unknown = set(_PLACEHOLDER.findall(url)) - known
    if unknown:
        raise NotConfigured(f"{setting} may hold {sorted(known)} in braces, and nothing else")

    def filled(values: Mapping[str, str]) -> str:
        # `{code}` is the long code, which wrong tries do not use up; a mail that the version before left has none.
        linked = {**values, "code": values["long_code"]} if "long_code" in values else values
        return _PLACEHOLDER.sub(lambda match: quote(linked[match[1]], safe=""), url)

    return filled

"""Checks the values of a user's fields, beyond what the contract's types check."""

import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import langcodes
import orjson
from denizen import messages as m

from services.domain import email_address, refusals
from services.domain.values import Json

LOCAL_PART_OCTETS = 64
METADATA_OCTETS = 16 * 1024
METADATA_DEPTH = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
_TIME_ZONES = frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}
_NAMING = (m.Authenticate, m.SendPasswordResetEmail)
"""Commands that name a user by an address: one that an earlier version accepted is still the user's."""
_LOCALES: dict[str, bool] = {}


def check(command: m.Request) -> None:
    """Raises Refusal (`validation_failed`, all faults in its details) where a value of a command cannot be."""
    faults: list[tuple[str, str]] = []
    for name, fault in _checked(type(command)):
        if (value := getattr(command, name)) is not None:
            faults += fault(value)
    if faults:
        raise refusals.invalid_fields([{"field": field, "message": message} for field, message in faults])


@cache
def _checked(kind: type[m.Request]) -> Sequence[tuple[str, Callable[[Any], list[tuple[str, str]]]]]:
    """The fields of a request that are checked here, each with its check."""
    faults = _FAULTS if not issubclass(kind, _NAMING) else {**_FAULTS, "email": _email_faults}
    return [(name, fault) for name, fault in faults.items() if name in kind.model_fields]


def moment(text: str, field: str) -> datetime:
    """The time that a field holds. Raises Refusal where there is no such day or hour."""
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refusals.invalid("not a time as in RFC 3339", field) from None


def email_key(address: str) -> str:
    """The canonical key of an address that `check` has accepted."""
    return email_address.canonical(address)


def metadata_fault(metadata: Json) -> str | None:
    """The fault of a metadata object as a whole; None where it has none."""
    if not metadata:
        return None
    text = orjson.dumps(metadata)
    if len(text) > METADATA_OCTETS:
        return f"is larger than {METADATA_OCTETS} octets"
    if text.count(b"{") + text.count(b"[") > METADATA_DEPTH and _depth(metadata) > METADATA_DEPTH:
        return f"is nested deeper than {METADATA_DEPTH} levels"
    return None


def _depth(value: Any) -> int:
    children: Iterable[Any]
    if isinstance(value, dict):
        children = cast(Json, value).values()
    elif isinstance(value, list):
        children = cast(list[Any], value)
    else:
        return 0
    return 1 + max(map(_depth, children), default=0)


def _email_faults(address: str) -> list[tuple[str, str]]:
    try:
        email_address.canonical(address)
    except email_address.InvalidEmail as error:
        return [("email", str(error))]
    return []


def _new_email_faults(address: str) -> list[tuple[str, str]]:
    """The faults of an address that a user is to have. RFC 5321, section 4.5.3.1.1, counts octets, also of UTF-8."""
    local_part = address.rpartition("@")[0]
    octets = len(local_part) if local_part.isascii() else len(local_part.encode("utf-8", "surrogatepass"))
    if octets > LOCAL_PART_OCTETS:
        return [("email", f"has more than {LOCAL_PART_OCTETS} octets before the @, which no mail server takes")]
    return _email_faults(address)


def _ip_faults(address: str) -> list[tuple[str, str]]:
    if "," in address:
        # Which of them is true, only the front end knows: the first is what the caller wrote, the last may be a proxy.
        return [("ip", "is a list: send one address, the one that your own outermost proxy saw")]
    try:
        ip_address(address)
    except ValueError:
        return [("ip", "is not an IPv4 or IPv6 address: send the one that your proxy vouches for, or leave it out")]
    return []


def _has_control(text: str) -> bool:
    return not text.isprintable() and _CONTROL.search(text) is not None


def _text_faults(field: str) -> Callable[[str], list[tuple[str, str]]]:
    return lambda text: [(field, "holds control characters")] if _has_control(text) else []


def _metadata_faults(field: str) -> Callable[[Json], list[tuple[str, str]]]:
    return lambda metadata: [(field, fault)] if (fault := metadata_fault(metadata)) else []


def _profile_faults(profile: m.ProfileInput) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    for field in profile.model_fields_set:
        value: str | None = getattr(profile, field)
        if value is None:
            continue
        fault = ""
        if _has_control(value):
            fault = "holds control characters"
        elif field == "locale" and not _is_locale(value):
            fault = "is not a language tag as in BCP 47"
        elif field == "timezone" and value not in _TIME_ZONES:
            fault = "is not the name of an IANA time zone"
        elif field == "picture" and not _is_web_address(value):
            fault = "is not an http or https URL"
        if fault:
            faults.append((f"profile.{m.ProfileInput.model_fields[field].alias}", fault))
    return faults


def _is_locale(tag: str) -> bool:
    """Whether a tag is well-formed and made of registered subtags (BCP 47). Cached, because the library is slow."""
    known = _LOCALES.get(tag)
    if known is None:
        known = tag.isascii() and "_" not in tag and langcodes.tag_is_valid(tag)
        if len(_LOCALES) < 10_000:
            _LOCALES[tag] = known
    return known


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in url and parts.port != 0
    except ValueError:
        return False


_FAULTS: Mapping[str, Callable[[Any], list[tuple[str, str]]]] = {
    "email": _new_email_faults,
    "profile": _profile_faults,
    "external_id": _text_faults("externalId"),
    "provider_id": _text_faults("providerId"),
    "metadata": _metadata_faults("metadata"),
    "app_metadata": _metadata_faults("appMetadata"),
    "reason": _text_faults("reason"),
    "ip": _ip_faults,
}
"""By field: the check of its values, in every command."""

"""LDIF (RFC 2849) of OpenLDAP, 389 Directory Server or Active Directory: entries of persons."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from denizen.importing.presets.system import SEVERAL, UNKNOWN_VERIFICATION, held, in_the_clear, names
from denizen.importing.rows import Json
from denizen.importing.source_row import LeftOut, change, leave
from denizen.importing.values import compact

MARKS = names("dn objectclass")
FIELDS = names("cn displayname givenname mail sn uid userpassword")
_PERSONS = frozenset({"person", "inetorgperson", "organizationalperson", "user", "posixaccount", "account"})
_KEPT = ("title", "ou", "o", "employeenumber", "memberof", "dn")
_TIME = re.compile(r"([0-9]{10})([0-9]{2})?([0-9]{2})?(?:[.,][0-9]+)?(?:Z|([+-])([0-9]{2})([0-9]{2})?)")
_DISABLED = 2
"""A bit of Active Directory's userAccountControl."""
_LOCKS = (
    "nsaccountlock", "logindisabled", "msds-useraccountdisabled", "ds-pwp-account-disabled", "ibm-pwdaccountlocked",
)  # fmt: skip
"""Attributes of 389, eDirectory, AD LDS, OpenDJ and IBM's directory that are TRUE where the account is disabled."""
_STATES = ("inetuserstatus", "accountstatus", "orclisenabled")
"""Attributes of Sun's and 389's directories, of qmail's schema and of Oracle's, which say a state in a word."""
_ENABLED = ("active", "enabled", "true")
_ENDS = ("krbprincipalexpiration", "ds-pwp-account-expiration-time", "pwdendtime", "loginexpirationtime")
"""Attributes of FreeIPA, OpenDJ, OpenLDAP and eDirectory: when the account ends."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""How Kerberos writes that an account does not end."""
_SAMBA = "sambaacctflags"
"""`[U          ]`; with a D where the account is disabled."""
_OPERATIONAL = ("creatorsname", "entrycsn", "structuralobjectclass", "subschemasubentry")
"""Attributes that come with all operational ones (`+`), as locks do: beside them, an entry without a lock has none."""
_FIRST_TICK = datetime(1601, 1, 1, tzinfo=UTC)
"""Active Directory counts tenths of microseconds since then."""
_SCHEME = re.compile(r"\{(CRYPT|ARGON2|BCRYPT)\}", re.IGNORECASE)


def user(raw: Json) -> Json:
    """The user of an entry. The first address counts; a directory does not say whether it is proved."""
    classes = {each.casefold() for each in _all(raw, "objectclass")}
    if "computer" in classes or not classes & _PERSONS:
        raise LeftOut("an entry that is no person")
    if (_first(raw, "isdeleted") or "").casefold() == "true":
        raise LeftOut("an entry that was deleted")
    change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    addresses = _all(raw, "mail")
    kept: Json = {name: raw.get(name) for name in _KEPT}
    kept["username"] = _first(raw, "uid") or _first(raw, "samaccountname")
    kept["phone"] = _first(raw, "telephonenumber")
    kept["otherMails"] = addresses[1:]
    return compact(
        {
            "email": next(iter(addresses), None),
            "emailVerified": False,
            **_password(raw),
            "passwordChangeRequired": (_first(raw, "pwdreset") or "").casefold() == "true" or None,
            "externalId": _first(raw, "entryuuid") or _first(raw, "nsuniqueid") or _first(raw, "objectguid"),
            "profile": {
                "firstName": _first(raw, "givenname"),
                "lastName": _first(raw, "sn"),
                "displayName": _first(raw, "displayname") or _first(raw, "cn"),
                "locale": _first(raw, "preferredlanguage"),
            },
            "appMetadata": {name: value for name, value in kept.items() if value},
            "status": held(_is_held(raw), raw, "useraccountcontrol", _SAMBA, *_STATES, *_LOCKS, *_OPERATIONAL),
            "createdAt": _time(_first(raw, "createtimestamp") or _first(raw, "whencreated")),
            "updatedAt": _time(_first(raw, "modifytimestamp") or _first(raw, "whenchanged")),
        }
    )


def _all(raw: Json, name: str) -> list[str]:
    value: Any = raw.get(name)
    return cast(list[str], value) if isinstance(value, list) else [] if value is None else [value]


def _first(raw: Json, name: str) -> str | None:
    values = _all(raw, name)
    if len(values) > 1:
        leave(raw, SEVERAL, name)
    return next(iter(values), None)


def _is_held(raw: Json) -> bool:
    control = _first(raw, "useraccountcontrol")
    said = [(_first(raw, name) or "").casefold() for name in _LOCKS]
    holds = (
        control is not None and int(control) & _DISABLED != 0,
        "true" in said,
        any((_first(raw, name) or "active").casefold() not in _ENABLED for name in _STATES),
        "D" in (_first(raw, _SAMBA) or ""),
        any("disabledrole" in role.casefold() for role in _all(raw, "nsroledn")),
        _first(raw, "pwdaccountlockedtime") is not None,
        _is_over(raw),
    )
    return any(holds)


def _is_over(raw: Json) -> bool:
    """Whether the account has expired: by a time, by Active Directory's time, or by the days of shadow(5)."""
    ticks, days = int(_first(raw, "accountexpires") or 0), int(_first(raw, "shadowexpire") or 0)
    now = datetime.now(UTC)
    ends = (at for name in _ENDS if (value := _first(raw, name)) and (at := _moment(value)))
    if any(_NEVER < at <= now for at in ends):
        return True
    return 0 < ticks < (now - _FIRST_TICK) // timedelta(microseconds=1) * 10 or 0 < days <= now.timestamp() // 86400


def _password(raw: Json) -> Json:
    """The first password. One without a scheme (RFC 2307) stands in the clear."""
    value = _first(raw, "userpassword")
    if value is None:
        return {}
    if value.startswith("{") and not value.upper().startswith("{CLEARTEXT}"):
        return {"passwordHash": _SCHEME.sub("", value, count=1)}
    return in_the_clear(raw, value[len("{CLEARTEXT}") :] if value.startswith("{") else value)


def _time(value: str | None) -> str | None:
    """GeneralizedTime as RFC 3339 has it; what is none stays as it is, and is told."""
    at = None if value is None else _moment(value)
    return value if at is None else at.isoformat().replace("+00:00", "Z")


def _moment(value: str) -> datetime | None:
    """The time that GeneralizedTime names (RFC 4517, section 3.3.13); None where it names none."""
    if (match := _TIME.fullmatch(value)) is None:
        return None
    day, minute, second, sign, hours, minutes = match.groups()
    try:
        at = datetime.strptime(f"{day}{minute or '00'}{second or '00'}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return at + ahead if sign == "-" else at - ahead
    except (ValueError, OverflowError):
        return None

"""Microsoft Entra ID: the portals' CSV, users of Microsoft Graph, or what PowerShell writes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from denizen.importing.presets.system import UNKNOWN_VERIFICATION, names
from denizen.importing.rows import Json, Unfit
from denizen.importing.source_row import LeftOut, change, leave, names_of
from denizen.importing.values import array, compact, flag, given, identities, text, time

MARKS = names(
    """
    accountEnabled ageGroup BlockCredential alternateEmailAddress consentProvidedForMinor creationType
    directorySynced identityIssuer invitationState legalAgeGroupClassification mailNickname onPremisesSyncEnabled
    usageLocation userPrincipalName userType
    """
) | {"Block credential", "User principal name", "Soft deletion time stamp", "DirSyncEnabled"}
FIELDS = names(
    """
    assignedLicenses businessPhones city companyName country createdDateTime deletedDateTime department displayName
    employeeId externalUserState faxNumber givenName id identities jobTitle mail mobilePhone officeLocation
    onPremisesSamAccountName otherMails postalCode preferredLanguage proxyAddresses state streetAddress surname
    telephoneNumber
    """
)
_KEPT = (
    "jobTitle", "department", "companyName", "officeLocation", "employeeId", "userType", "usageLocation", "mobilePhone",
    "telephoneNumber",
)  # fmt: skip


def user(raw: Json) -> Json:
    """The user of a row. Entra exports no hashes, and does not say who has proved an address."""
    _leave_kinds(raw)
    at = _spelt(raw)

    def name(ours: str) -> str:
        return at.get(ours.casefold(), ours)

    if text(raw, name("deletedDateTime")):
        raise LeftOut("a user who was deleted")
    blocked = raw.get(name("blockCredential"))
    if raw.get(name("accountEnabled")) in (None, "") and blocked in (None, ""):
        raise Unfit("the file does not say whether the account is enabled: export accountEnabled too", "accountEnabled")
    change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    principal = text(raw, name("userPrincipalName"))
    signing_in: list[Json] = []
    if isinstance(raw.get(name("identities")), list):
        signing_in = array(raw, name("identities"))
    else:
        leave(raw, "identities are read from the JSON of Microsoft Graph only", name("identities"))
    kept: Json = {field: text(raw, name(field)) for field in _KEPT}
    phones = name("businessPhones")
    kept["businessPhones"] = array(raw, phones) if isinstance(raw.get(phones), list) else text(raw, phones)
    email = text(raw, name("mail")) or _of_identities(signing_in) or _other(raw, name) or _of_principal(principal)
    kept["userPrincipalName"] = principal if principal != email else None
    return compact(
        {
            "email": email,
            "emailVerified": False,
            "externalId": text(raw, name("id")),
            "profile": {
                "firstName": given(raw, name("givenName")),
                "lastName": given(raw, name("surname")),
                "displayName": given(raw, name("displayName")),
                "locale": given(raw, name("preferredLanguage")),
            },
            "appMetadata": {field: value for field, value in kept.items() if value},
            "status": _status(raw, name),
            "createdAt": time(raw, name("createdDateTime"), dates="mdy"),
            "identities": identities(
                raw,
                (
                    (each.get("issuer"), each.get("issuerAssignedId"))
                    for each in signing_in
                    if each.get("signInType") == "federated"
                ),
            ),
        }
    )


_KIND = re.compile(r"(?:System|Microsoft)\.[\w.]+(?:`[0-9]+)?(?:\[\S*\])?")
"""What Export-Csv of PowerShell writes for a value that is no text: its kind."""


_value: Callable[[Json, str], Any] = cast(Any, dict.get)  # The field does not count as read.


def _leave_kinds(raw: Json) -> None:
    for name in names_of(raw):
        value = _value(raw, name)
        if isinstance(value, str) and _KIND.fullmatch(value):
            leave(raw, "PowerShell wrote the kind of the value and not the value: export JSON of Microsoft Graph", name)
            dict.__setitem__(raw, name, None)


_ELSEWHERE = {
    "objectid": "id", "firstname": "givenname", "lastname": "surname", "title": "jobtitle", "office": "officelocation",
    "phonenumber": "telephonenumber", "mobile": "mobilephone", "whencreated": "createddatetime",
    "softdeletiontimestamp": "deleteddatetime", "deletiontimestamp": "deleteddatetime",
}  # fmt: skip
"""Names of the Microsoft 365 admin center, and of the older modules of PowerShell."""


def _spelt(raw: Json) -> dict[str, str]:
    """The names of the row by their small letters: PowerShell writes `Id`. The row does not count as read."""
    spelt = {name.casefold().replace(" ", ""): name for name in names_of(raw)}
    return {ours: spelt[theirs] for theirs, ours in _ELSEWHERE.items() if theirs in spelt} | spelt


def _status(raw: Json, name: Callable[[str], str]) -> str:
    enabled = flag(raw, name("accountEnabled"), True) and not flag(raw, name("blockCredential"))
    return "ACTIVE" if enabled else "BLOCKED"


def _other(raw: Json, name: Callable[[str], str]) -> str | None:
    """The first other address: users of B2C who sign in elsewhere have no `mail`, and a made-up principal name."""
    others = raw.get(name("otherMails"))
    return next((str(each) for each in cast(list[Any], others)), None) if isinstance(others, list) else None


def _of_identities(signing_in: list[Json]) -> str | None:
    return next(
        (text(each, "issuerAssignedId") for each in signing_in if each.get("signInType") == "emailAddress"), None
    )


def _of_principal(principal: str | None) -> str | None:
    """The principal name is an address, but for guests (`ann_example.com#EXT#@…`)."""
    return None if principal is None or "#EXT#" in principal else principal

"""The decision on an existing user whom a row of an import is about: what the row says, where no one else has decided.

A field that the row lacks says nothing. See docs/decisions/0046-repair-and-undo.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.domain import refusals
from services.domain.commands import RepairUser
from services.domain.decide import profile
from services.domain.decide.identities import MOST_IDENTITIES
from services.domain.events import (
    EmailUnverified,
    EmailVerified,
    IdentityLinked,
    IdentityUnlinked,
    PasswordChanged,
    UserBlocked,
    UserCorrected,
    UserDeactivated,
    UserEvent,
    UserReactivated,
    UserUnblocked,
    UserUpdated,
)
from services.domain.provenance import Fact, Provenance
from services.domain.refusals import Refusal
from services.domain.user import UserAggregate, UserIdentity
from services.domain.values import Json, rfc3339


@dataclass(slots=True)
class Repair:
    """What a row changes of a user.

    Attributes:
        kept: names of the fields that stay as they are, though the row says otherwise, because users or operators
            decided on them.
    """

    events: list[UserEvent] = field(default_factory=list[UserEvent])
    kept: list[str] = field(default_factory=list[str])


def repair(user: UserAggregate, command: RepairUser, provenance: Provenance, now: datetime) -> Repair | Refusal:
    """Bring about what the row says, as far as imports answer for it."""
    result = Repair()
    refusal = _sections(user, command, provenance, result) or _identities(user, command, provenance, result)
    if refusal is not None:
        return refusal
    _verified(user, command, provenance, result)
    _status(user, command, provenance, result, rfc3339(now))
    _password(user, command, provenance, result)
    _dates(user, command, provenance, result)
    result.kept = list(dict.fromkeys(result.kept))
    return result


def _sections(user: UserAggregate, command: RepairUser, provenance: Provenance, result: Repair) -> Refusal | None:
    row, dumped = command.row, command.row.profile.model_dump(by_alias=True, exclude_unset=True)
    # A row without an external id takes none away.
    external_id = None if row.external_id in (None, user.external_id) else (row.external_id,)
    if external_id is not None and provenance.is_theirs(("externalId",)):
        external_id = None
        result.kept.append("externalId")
    wanted = UserUpdated(
        profile=_open("profile", profile.changes(user.profile, dumped), provenance, result),
        metadata=_open("metadata", profile.changes(user.metadata, row.metadata), provenance, result),
        app_metadata=_open("appMetadata", profile.changes(user.app_metadata, row.app_metadata), provenance, result),
        external_id=external_id,
    )
    decision = profile.decide_change(user, wanted)
    if isinstance(decision, Refusal):
        return decision
    result.events += decision
    return None


def _open(name: str, changes: Json, provenance: Provenance, result: Repair) -> Json:
    """Those of the changes of a section that no one else has decided on."""
    theirs = [key for key in changes if provenance.is_theirs((name, key))]
    result.kept += [f"profile.{key}" if name == "profile" else name for key in theirs]
    return {key: value for key, value in changes.items() if key not in theirs}


def _identities(user: UserAggregate, command: RepairUser, provenance: Provenance, result: Repair) -> Refusal | None:
    """Unlink and link identities until those of imports are the ones of the row, in its order and with its times."""
    if "identities" not in command.given:
        return None
    row = command.row
    wanted = {(each.provider, each.provider_id): each.linked_at or row.updated_at for each in row.identities}
    present = {(each.provider, each.provider_id): each for each in user.identities}
    if wanted.keys() != present.keys() and any(
        provenance.is_theirs(_identity(named)) for named in wanted.keys() ^ present.keys()
    ):
        result.kept.append("identities")
    theirs = {named for named in {*wanted, *present} if provenance.is_theirs(_identity(named))}
    old = [named for named in present if named not in theirs]
    new = [named for named in wanted if named not in theirs]
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same] and _is_at(present[old[same]], wanted[new[same]]):
        same += 1
    if len(theirs & present.keys()) + len(new) > MOST_IDENTITIES:
        return refusals.too_many_identities(MOST_IDENTITIES)
    result.events += [IdentityUnlinked(*named) for named in old[same:]]
    result.events += [IdentityLinked(*named, _linked_at(named, wanted, present)) for named in new[same:]]
    return None


def _identity(named: tuple[str, str]) -> Fact:
    return ("identities", *named)


def _is_at(identity: UserIdentity, at: str | None) -> bool:
    return at is None or rfc3339(identity.linked_at) == at


def _linked_at(
    named: tuple[str, str],
    wanted: Mapping[tuple[str, str], str | None],
    present: Mapping[tuple[str, str], UserIdentity],
) -> str | None:
    """The time that the row gives, else the one that is known."""
    if wanted[named] is None and named in present:
        return rfc3339(present[named].linked_at)
    return wanted[named]


def _verified(user: UserAggregate, command: RepairUser, provenance: Provenance, result: Repair) -> None:
    if "emailVerified" not in command.given or command.row.email_verified == user.email_verified:
        return
    if provenance.is_theirs(("emailVerified",)):
        result.kept.append("emailVerified")
    else:
        result.events.append(EmailVerified() if command.row.email_verified else EmailUnverified())


def _status(user: UserAggregate, command: RepairUser, provenance: Provenance, result: Repair, now: str) -> None:
    """Block and deactivate, in this order, as an import does; or take that back.

    A block whose end has passed does not begin again. A row without blockedUntil or blockedAt leaves those that
    there are.
    """
    row = command.row
    if row.status is None:
        return
    known = row.updated_at
    there = user.blocked_until and rfc3339(user.blocked_until)
    end = row.blocked_until if "blockedUntil" in command.given else there
    is_over = "BLOCKED" not in user.holds and end is not None and end <= now
    blocked = (row.status == "BLOCKED" or row.blocked_at is not None) and not is_over
    deactivated = row.status == "DEACTIVATED"
    blocked_at = row.blocked_at or known or (user.blocked_at and rfc3339(user.blocked_at))
    if ("BLOCKED" in user.holds, "DEACTIVATED" in user.holds) == (blocked, deactivated):
        late = blocked_at is not None and user.blocked_at and rfc3339(user.blocked_at) != blocked_at
        if blocked and (late or end != there) and not provenance.is_theirs(("status",)):
            result.events.append(UserBlocked(None, blocked_at, end))
            result.events += [UserDeactivated(known)] if deactivated else []
        return
    if provenance.is_theirs(("status",)):
        result.kept.append("status")
        return
    result.events += [UserBlocked(None, blocked_at, end)] if blocked else []
    result.events += [UserDeactivated(known)] if deactivated else []
    result.events += [UserUnblocked()] if not blocked and "BLOCKED" in user.holds else []
    result.events += [UserReactivated()] if not deactivated and "DEACTIVATED" in user.holds else []


def _password(user: UserAggregate, command: RepairUser, provenance: Provenance, result: Repair) -> None:
    """Replace the password and whether it must be changed. A user who has signed in keeps both."""
    required = user.password_change_required
    if "passwordChangeRequired" in command.given:
        required = command.row.password_change_required
    theirs = provenance.is_theirs(("password",))
    if theirs:
        result.kept += ["password"] if command.sets_password else []
        result.kept += ["passwordChangeRequired"] if required != user.password_change_required else []
    elif command.sets_password:
        result.events.append(PasswordChanged("imported", required))
    elif required != user.password_change_required:
        result.events.append(UserCorrected(None, None, required))


def _dates(user: UserAggregate, command: RepairUser, provenance: Provenance, result: Repair) -> None:
    """The dates of the row. `updatedAt` stays where others have changed the user since: it is the time of that."""
    row = command.row
    created_at = row.created_at if row.created_at not in (None, rfc3339(user.created_at)) else None
    if created_at is not None and provenance.is_theirs(("createdAt",)):
        created_at = None
        result.kept.append("createdAt")
    updated_at = row.updated_at if provenance.created and not provenance.others else None
    if updated_at == rfc3339(user.updated_at) and not result.events and created_at is None:
        updated_at = None
    if created_at is not None or updated_at is not None:
        required = None
        if result.events and isinstance(last := result.events[-1], UserCorrected):
            required = last.require_change
            result.events.pop()
        result.events.append(UserCorrected(created_at, updated_at, required))

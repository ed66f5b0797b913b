"""Reads users with their whole history: who set what decides what an import may still change or take back."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from services.accounts.users import evolved
from services.domain.events import decode
from services.domain.provenance import Provenance
from services.domain.state import UserState
from services.domain.streams import StoredEvent, logins_of
from services.eventstore.credentials.store import SecretStore
from services.eventstore.log.store import EventStore, Outcome
from services.eventstore.log.tails import NEWEST, Tail, Wanted

OPERATION = "operation"
"""The key in the metadata of an update's events that names what asked for them."""
BY_IMPORT = "ImportUsers"


@dataclass(slots=True)
class History:
    """A user, and what is known of how they came to be so.

    Attributes:
        logins: the version of the stream of their logins, which was read before all else.
        signed_in: they have signed in.
        created_by: the id of the command that created them.
    """

    state: UserState
    logins: int
    signed_in: bool
    provenance: Provenance
    created_by: str = ""


async def read(
    store: EventStore,
    secrets: SecretStore,
    users: Mapping[str, int],
    without: Collection[str] = (),
    note: Callable[[StoredEvent, bool], None] = lambda _event, _by_import: None,
) -> dict[str, History]:
    """The history of each user up to a version, a page of events at a time.

    `without`: command ids whose events are left out. `note` is told of each event but a block's end by itself, and
    whether an import stored it; of an erased user, of the last one.
    """
    tips = await store.tips([logins_of(user_id) for user_id in users])
    logins = {user_id: tips.get(logins_of(user_id), 0) for user_id in users}
    signed_in = await secrets.signed_in(user_id for user_id, version in logins.items() if version)
    found = {
        user_id: History(UserState(user_id), logins[user_id], user_id in signed_in, Provenance()) for user_id in users
    }
    left = [Wanted(user_id, 0, until, events_alone=True) for user_id, until in users.items()]
    while left:
        tails = await store.load(left)
        left = [replace(wanted, after=tail.version) for wanted, tail in zip(left, tails, strict=True) if not tail.whole]
        for tail in tails:
            tail.events = [event for event in tail.events if event.metadata["commandId"] not in without]
            _add(found[tail.stream], tail, note)
    for history in found.values():
        if history.signed_in:
            history.provenance.signed_in()
    return found


def _add(history: History, tail: Tail, note: Callable[[StoredEvent, bool], None]) -> None:
    for event in tail.events:
        if _is_end_of_block(event):
            continue  # The one who set the block decided that it ends: the end is no change by others.
        history.created_by = history.created_by or event.metadata["commandId"]
        by_import = _is_by_import(event, history)
        note(event, by_import)
        if not tail.erased:
            history.provenance.add(decode(event), by_import=by_import)
    if tail.events:
        history.state = evolved(history.state, tail)


def newest(user_ids: Iterable[str]) -> dict[str, int]:
    """All that there is of users, for `read`."""
    return dict.fromkeys(user_ids, NEWEST)


def _is_end_of_block(event: StoredEvent) -> bool:
    """Whether a block ended by itself."""
    return event.type == "UserUnblocked" and event.public.get("reason") == "ended"


def _is_by_import(event: StoredEvent, history: History) -> bool:
    """Whether an import stored an event: with the user that it created, or as an update."""
    if event.type == "UserCreated":
        return event.public.get("reason") == "imported"
    command_id = event.metadata["commandId"]
    if history.provenance.created and command_id == history.created_by:
        return event.type in _WITH_CREATION
    return event.metadata.get(OPERATION) == BY_IMPORT


_WITH_CREATION = {"IdentityLinked", "UserBlocked", "UserDeactivated"}
"""The events that an import stores with the one that creates the user, under its command id."""


def is_of_import(outcome: Outcome) -> bool:
    """Whether an outcome is that of a row. A back end may use the id of one for another command."""
    return outcome.operation in (None, BY_IMPORT)

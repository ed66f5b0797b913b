"""Every way to read the log on PostgreSQL gives events in the form of today; both folds see nothing else."""

from services.accounts.users import UserReader
from services.domain.email_address import canonical, coarse
from services.domain.events import UserCreated, encode
from services.domain.fold import show
from services.domain.streams import FoldedEvent
from services.eventstore.log.store import Append, Appended
from services.eventstore.log.tails import Wanted
from services.platform.ids import new_event_id
from tests.store.conftest import OpenStore
from tests.support.log import AT, user_id

ADDRESS = "Info@Stra\u00dfe.example"


async def test_event_of_an_old_form_is_upcast_by_every_read(open_store: OpenStore) -> None:
    store, user = open_store(), user_id()
    new = encode(UserCreated(ADDRESS, coarse(ADDRESS), True, None, {}, {}, {}), user, 1, "ACTIVE", new_event_id())
    new.schema_version = 1
    assert await store.append([Append(user, 0, [new], {}, AT)]) == [Appended(1)]

    found: list[FoldedEvent] = [
        *await store.read(0, 1),
        *[event for tail in await store.load([Wanted(user)]) for event in tail.events],
        *(await store.load_as_of(user, AT)).events,
        *[event async for some in store.users(1) for event in some],
    ]
    assert [event.private and event.private["emailKey"] for event in found] == [canonical(ADDRESS)] * 4

    state = await UserReader(store).user(user)
    assert state.user is not None
    assert (state.user.email, state.user.email_key) == (ADDRESS, canonical(ADDRESS))
    documents = [show(None, event) for event in found]
    assert [document and document["email"] for document in documents] == [ADDRESS] * 4

"""The Python clients against the real thing: every call, in both."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from denizen import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    DenizenError,
    EmailTaken,
    InvalidTransition,
    MalformedMessage,
    NoAnswer,
    Profile,
    User,
    UserNotFound,
    ValidationFailed,
    VersionConflict,
)

from tests.support.servers import Denizen

_numbers = count(1)


def address() -> str:
    """An e-mail address that no other test uses."""
    return f"client-{threading.get_native_id()}-{next(_numbers)}@example.com"


@pytest.fixture
def client(denizen: Denizen) -> Iterator[Client]:
    with Client(denizen.nats_url) as connected:
        yield connected


@pytest.fixture
async def async_client(denizen: Denizen) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(denizen.nats_url) as connected:
        yield connected


def test_snippets_of_the_product_page_work(client: Client) -> None:
    email = address()
    user = client.auth.users.create(
        email=email,
        email_verified=False,
        profile={
            "firstName": "John",
            "lastName": "Doe",
        },
        metadata={
            "plan": "pro",
            "source": "signup",
        },
    )
    assert user.id.startswith("user_")
    assert (user.status, user.profile.first_name, user.metadata["plan"]) == ("PENDING_VERIFICATION", "John", "pro")
    assert client.auth.users.get(user.id).email == email
    assert client.auth.users.get_by_email(email.upper()).id == user.id
    users = client.auth.users.list(count=50, offset=0, status="PENDING_VERIFICATION")
    assert user.id in [each.id for each in users.data]
    assert [each.id for each in users] == [each.id for each in users.data]
    updated = client.auth.users.update(
        user.id, profile={"firstName": "Jonathan", "lastName": None}, metadata={"plan": "enterprise"}
    )
    assert (updated.profile.first_name, updated.profile.last_name) == ("Jonathan", None)
    assert updated.metadata == {"plan": "enterprise", "source": "signup"}
    assert client.auth.users.block(user.id).status == "BLOCKED"
    assert client.auth.users.get(user.id).blocked_at is not None
    assert client.auth.users.unblock(user.id).status == "PENDING_VERIFICATION"


def test_update_takes_the_fields_as_the_product_page_writes_them(client: Client) -> None:
    user = client.auth.users.create(email=address(), external_id=address(), app_metadata={"plan": "pro"})
    changes = {"profile": {"firstName": "John"}, "metadata": {"theme": "dark"}, "appMetadata": {"plan": None}}
    updated = client.auth.users.update(user.id, changes)
    assert (updated.profile.first_name, updated.metadata, updated.app_metadata) == ("John", {"theme": "dark"}, {})
    updated = client.auth.users.update(user.id, {"profile": Profile(last_name="Doe")}, metadata={"theme": "light"})
    assert (updated.profile.first_name, updated.profile.last_name) == ("John", "Doe")
    assert updated.metadata == {"theme": "light"}
    assert client.auth.users.update(user.id, {"externalId": None}).external_id is None


@pytest.mark.parametrize(
    "changes", [{"metadata": {}}, {"userId": "user_01h455vb4pex5vsknk084sn02q"}, {1: 2}, "profile"]
)
def test_update_refuses_changes_that_are_ambiguous_or_none(client: Client, changes: Any) -> None:
    user = client.auth.users.create(email=address())
    with pytest.raises(TypeError, match=r"metadata: given both|userId: given both|changes"):
        client.auth.users.update(user.id, changes, metadata={"theme": "dark"})
    assert client.auth.users.get(user.id).metadata == {}


def test_update_refuses_a_field_that_does_not_exist(client: Client) -> None:
    user = client.auth.users.create(email=address())
    with pytest.raises(ValidationFailed, match="app_metadata"):
        client.auth.users.update(user.id, {"app_metadata": {"plan": "pro"}})


def test_user_is_found_by_external_id(client: Client) -> None:
    external_id = address()
    user = client.auth.users.create(email=address(), external_id=external_id)
    assert client.auth.users.get_by_external_id(external_id).id == user.id
    client.auth.users.update(user.id, metadata={"a": 1})
    assert client.auth.users.get(user.id).external_id == external_id, "what is not given stays"
    client.auth.users.update(user.id, external_id=None)
    with pytest.raises(UserNotFound):
        client.auth.users.get_by_external_id(external_id)


async def test_async_client_has_every_call(async_client: AsyncClient) -> None:
    users = async_client.auth.users
    user = await users.create(email=address(), email_verified=True, profile=Profile(display_name="J"))
    assert user.status == "ACTIVE"
    assert (await users.deactivate(user.id)).status == "DEACTIVATED"
    assert (await users.reactivate(user.id)).status == "ACTIVE"
    assert (await users.get(user.id)).profile.display_name == "J"
    with pytest.raises(InvalidTransition):
        await users.reactivate(user.id)
    assert user.id in [each.id async for each in users.iter_all(status="ACTIVE")]


async def test_client_reads_its_own_writes(async_client: AsyncClient) -> None:
    for _ in range(50):
        email = address()
        user = await async_client.auth.users.create(email=email)
        assert (await async_client.auth.users.get_by_email(email)).id == user.id


def test_iter_all_returns_every_page(client: Client) -> None:
    total = client.auth.users.list(count=1).total
    assert len({user.id for user in client.auth.users.iter_all()}) >= total


def test_repeat_by_idempotency_key_changes_nothing(client: Client) -> None:
    email, key = address(), address()
    first = client.auth.users.create(email=email, idempotency_key=key)
    assert client.auth.users.create(email=email, idempotency_key=key) == first
    with pytest.raises(EmailTaken):
        client.auth.users.create(email=email)


def test_refusals_raise_the_error_of_their_code(client: Client) -> None:
    user = client.auth.users.create(email=address())
    with pytest.raises(EmailTaken) as taken:
        client.auth.users.create(email=user.email.upper())
    assert (taken.value.code, taken.value.number, taken.value.field) == ("email_taken", 409, "email")
    with pytest.raises(VersionConflict) as conflict:
        client.auth.users.block(user.id, expected_version=7)
    assert conflict.value.details == [{"version": 1}]
    with pytest.raises(ValidationFailed) as invalid:
        client.auth.users.create(email="no address", profile={"locale": "xx-invalid-", "timezone": "Mars/Olympus"})
    assert {fault["field"] for fault in invalid.value.details} == {"email", "profile.locale", "profile.timezone"}
    with pytest.raises(ValidationFailed, match="Denizen-Actor"):
        client.auth.users.block(user.id, actor="a\r\nDenizen-Expected-Version: 9")
    with pytest.raises(MalformedMessage):
        client.auth.users.update(user.id, metadata={"large": "x" * 2_000_000})
    with pytest.raises(UserNotFound):
        client.auth.users.get("user_01h455vb4pex5vsknk084sn02q")


def test_command_past_its_deadline_is_not_run(client: Client) -> None:
    email = address()
    with pytest.raises((DeadlineExceeded, NoAnswer)):
        client.auth.users.create(email=email, timeout=1e-9)
    with pytest.raises(UserNotFound):
        client.auth.users.get_by_email(email)


def test_client_can_be_shared_by_threads(client: Client) -> None:
    def create(email: str) -> User:
        return client.auth.users.create(email=email)

    addresses = [address() for _ in range(64)]
    with ThreadPoolExecutor(16) as pool:
        users = list(pool.map(create, addresses))
        found = list(pool.map(client.auth.users.get_by_email, addresses))
    assert [user.id for user in users] == [user.id for user in found]


def test_call_without_a_service_fails_within_its_timeout() -> None:
    with Client("nats://user:secret@127.0.0.1:1", timeout=0.3) as client, pytest.raises(NoAnswer) as error:
        client.auth.users.get("user_01h455vb4pex5vsknk084sn02q")
    assert "secret" not in str(error.value)


async def test_call_without_a_service_fails_for_any_timeout() -> None:
    """Also where it is over in the moment in which a try has failed, and nats-py hears of one of the two."""
    clients = [AsyncClient("nats://127.0.0.1:1", timeout=0.05, reconnect_time_wait=0) for _ in range(20)]
    tries = [asyncio.create_task(client.connect()) for client in clients]
    ended, _ = await asyncio.wait(tries, timeout=60)
    assert [type(each.exception()) for each in ended] == [NoAnswer] * 20


async def test_timeout_ends_every_call_that_waits_for_a_connection() -> None:
    async with AsyncClient("nats://127.0.0.1:1", timeout=0.5) as client:
        began = asyncio.get_running_loop().time()
        asked = [client.auth.users.get("user_01h455vb4pex5vsknk084sn02q") for _ in range(16)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [NoAnswer] * 16
        assert asyncio.get_running_loop().time() - began < 5, "one after another they took 8 s"


async def test_closed_client_can_be_entered_again(denizen: Denizen) -> None:
    client = AsyncClient(denizen.nats_url)
    for _ in range(2):
        async with client:
            assert (await client.auth.users.list(count=1)).total >= 0
        with pytest.raises(RuntimeError, match="closed"):
            await client.auth.users.list(count=1)


def test_call_while_the_client_is_closed_raises(denizen: Denizen) -> None:
    for _ in range(10):
        client = Client(denizen.nats_url)
        client.connect()
        begun = threading.Barrier(9)

        def ask(client: Client = client, begun: threading.Barrier = begun) -> None:
            begun.wait()
            while True:
                with suppress(CancelledError, DenizenError):
                    client.auth.users.list(count=1)

        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(ask) for _ in range(8)]
            begun.wait()
            client.close()
            assert [str(each.exception(timeout=20)) for each in asking] == ["the client is closed"] * 8


def test_call_on_a_closed_client_raises(denizen: Denizen) -> None:
    client = Client(denizen.nats_url)
    client.connect()
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.auth.users.list()

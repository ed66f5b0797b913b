"""What the clients are given is taken as it is, or refused by them: never turned into something else, never ignored."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from denizen import Client, MalformedMessage, UserNotFound, ValidationFailed
from denizen.exporting import ExportOptions
from denizen.sessions import Me, Sessions
from denizen.transport import CommandOptions
from denizen.users import Users
from pydantic import SecretStr

from tests.support.backend import email
from tests.support.people import PASSWORD
from tests.support.servers import Denizen

UNKNOWN = "user_01h455vb4pex5vsknk084sn02q"
COMMANDS = [
    (resource, name)
    for resource in (Users, Sessions, Me)
    for name, method in inspect.getmembers(resource, inspect.iscoroutinefunction)
    if "**options" in str(inspect.signature(method))
]
NO_SECRETS: list[Any] = [SecretStr("canary"), b"canary", bytearray(b"canary"), ["canary"], 0xCA, None, True]
NO_JSON: dict[str, Any] = {
    "an object": {"a": object()},
    "octets": {"a": b"canary"},
    "NaN": {"a": float("nan")},
    "a key": {("canary",): 1},
    "half a surrogate pair": {"a": "canary\ud800"},
}


@pytest.fixture
def client(denizen: Denizen) -> Iterator[Client]:
    with Client(denizen.nats_url) as connected:
        yield connected


@pytest.fixture
def nowhere() -> Iterator[Client]:
    """A client that reaches no server: what it refuses was not sent."""
    with Client("nats://127.0.0.1:1", timeout=0.3) as unconnected:
        yield unconnected


def bound(client: Client, resource: type, name: str) -> Callable[..., Any]:
    """A call, what it needs given."""
    owner = {Users: client.auth.users, Sessions: client.auth.sessions, Me: client.auth.me("token")}[resource]
    needed = [each for each in inspect.signature(getattr(resource, name)).parameters.values() if each.name != "self"]
    given = {each.name: "x" for each in needed if each.kind is not each.VAR_KEYWORD and each.default is each.empty}
    return partial(getattr(owner, name), **given)


def test_list_of_client_commands_is_not_empty() -> None:
    assert {(Users, "create"), (Users, "delete"), (Sessions, "authenticate"), (Me, "log_out")} <= set(COMMANDS)
    assert set(CommandOptions.__optional_keys__) == {"idempotency_key", "expected_version", "timeout", "actor"}


@pytest.mark.parametrize(("resource", "name"), COMMANDS)
def test_misspelt_condition_is_refused(nowhere: Client, resource: type, name: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'expectedVersion'"):
        bound(nowhere, resource, name)(expectedVersion=77)


def test_misspelt_export_option_is_refused(nowhere: Client) -> None:
    misspelt: Any = {"createdAfter": None}
    with pytest.raises(TypeError, match="unexpected keyword argument 'createdAfter'"):
        next(nowhere.auth.users.export(**misspelt))
    assert "created_after" in ExportOptions.__optional_keys__


@pytest.mark.parametrize("key", ["", " ", "a b", " a", "a\n", "\u00e4", "\ud800", "x" * 129])
def test_malformed_idempotency_key_is_refused(nowhere: Client, key: str) -> None:
    with pytest.raises(ValidationFailed, match="1 to 128 visible ASCII characters") as refused:
        nowhere.auth.users.create(email=email(), password=PASSWORD, idempotency_key=key)
    assert refused.value.field == "Nats-Msg-Id"


@pytest.mark.parametrize("secret", NO_SECRETS, ids=lambda secret: type(secret).__name__)
def test_secret_that_is_not_text_is_refused(client: Client, secret: Any) -> None:
    """Each has a text that is another password: `**********`, `b'canary'`."""
    users, sessions, address = client.auth.users, client.auth.sessions, email()
    calls: list[Callable[[], Any]] = [
        lambda: users.register(email=address, password=secret),
        lambda: users.reset_password(UNKNOWN, password=secret),
        lambda: users.change_password(UNKNOWN, current_password=PASSWORD, new_password=secret),
        lambda: users.confirm_password_reset(token=secret, password=PASSWORD),
        lambda: users.verify_email(UNKNOWN, code=secret),
        lambda: sessions.refresh(secret),
    ]
    if secret is not None:  # Which says that there is none.
        calls += [
            lambda: sessions.authenticate(email=address, password=secret),
            lambda: users.create(email=address, password=secret),
            lambda: users.create(email=address, password_hash=secret),
            lambda: users.link_identity(UNKNOWN, provider="github", provider_id="1", access_token=secret),
            lambda: client.auth.me(secret).get(),
            lambda: client.auth.me(secret).log_out(),
        ]
    for call in calls:
        with pytest.raises(TypeError) as refused:
            call()
        assert "canary" not in str(refused.value)
    with pytest.raises(UserNotFound):
        users.get_by_email(address)


def test_secret_that_is_not_unicode_is_refused(client: Client) -> None:
    with pytest.raises(MalformedMessage) as refused:
        client.auth.users.create(email=email(), password="canary\ud800")
    assert "canary" not in f"{refused.value}{refused.value.__cause__}"
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("metadata", NO_JSON.values(), ids=NO_JSON)
def test_value_that_json_cannot_hold_is_refused(nowhere: Client, metadata: Any) -> None:
    with pytest.raises(MalformedMessage) as refused:
        nowhere.auth.users.create(email=email(), metadata=metadata)
    assert "canary" not in f"{refused.value}{refused.value.__cause__}"
    assert refused.value.__suppress_context__


def test_endless_value_is_refused(nowhere: Client) -> None:
    circle: dict[str, Any] = {}
    circle["a"] = circle
    deep: dict[str, Any] = {}
    for _ in range(200_000):
        deep = {"a": deep}
    for metadata in (circle, deep):
        with pytest.raises(MalformedMessage):
            nowhere.auth.users.update(UNKNOWN, metadata=metadata)
    with pytest.raises(MalformedMessage):
        nowhere.auth.users.get_by_email("\udfff@example.com")

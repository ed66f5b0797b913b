"""What the clients are given is taken as it is, or refused by them: never turned into something else, never ignored."""

import inspect
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from denizen import (
    AsyncClient,
    AsyncTokenVerifier,
    Client,
    DenizenError,
    MalformedMessage,
    NoAnswer,
    TokenVerifier,
    UserNotFound,
    ValidationFailed,
)
from denizen.events import Events
from denizen.exporting import ExportOptions
from denizen.sessions import Me, Sessions
from denizen.transport import CommandOptions
from denizen.users import Users
from pydantic import SecretStr
from pydantic.alias_generators import to_camel

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


@pytest.mark.parametrize("kind", [Client, AsyncClient, TokenVerifier, AsyncTokenVerifier])
def test_misspelt_option_of_a_client_is_refused_at_once(kind: Any) -> None:
    """It would connect to this machine's NATS instead."""
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'server'; there are .*\buser\b"):
        kind(server="nats://nats.example.com")


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


# --- wrong types ----------------------------------------------------------------------------------------------------

OPTIONS = {"export": ExportOptions.__optional_keys__}
"""By method: what its `**options` are; those of any other are a command's."""
NOT_CALLS = ("export_piece", "export_end", "stop")
"""Methods that no caller uses."""
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
FIT: dict[str, Any] = {"event": "*", "handler": print, "durable": "none", "source": []}
"""What some arguments must be for the others to be looked at."""
ODD: list[Any] = [b"octets", 1.5, ["text"], {"a": 1}, ("a", 1), "text", True, None, float("nan"), float("inf")]


def arguments() -> Iterator[tuple[type, str, str]]:
    """Every argument of every call that a client has: whose, the method's name, its own."""
    for owner in (Users, Sessions, Me, Events):
        for name, method in inspect.getmembers(owner, inspect.isfunction):
            if name.startswith("_") or name in NOT_CALLS:
                continue
            for each in list(inspect.signature(method).parameters.values())[1:]:
                if each.kind is each.VAR_KEYWORD:
                    options = sorted(OPTIONS.get(name, CommandOptions.__optional_keys__))
                    yield from ((owner, name, option) for option in options)
                else:
                    yield owner, name, each.name


@pytest.fixture
async def connected(denizen: Denizen) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(denizen.nats_url) as client:
        yield client


async def called(client: AsyncClient, owner: type, name: str, argument: str, value: Any) -> None:
    """Call a method with this argument, and what else it needs; what it gives is closed again."""
    resources = {Users: client.auth.users, Sessions: client.auth.sessions, Events: client.auth.events}
    method = getattr(client.auth.me("token") if owner is Me else resources[owner], name)
    parameters = inspect.signature(method).parameters.values()
    given = {each.name: "x" for each in parameters if each.default is each.empty and each.kind not in VARIADIC}
    given |= {each: fit for each, fit in FIT.items() if each in inspect.signature(method).parameters}
    if argument in ("more", "positions"):
        result = method(given.pop("event", "none"), value, **{each: given[each] for each in given if each != "durable"})
    else:
        result = method(**{**given, argument: value})
    if inspect.isasyncgen(result):
        await anext(result, None)
        await result.aclose()
    elif name == "subscribe":
        await (await result).stop()
    else:
        await result


def names(argument: str, error: Exception) -> bool:
    """Whether an error says that this argument is wrong."""
    if not isinstance(error, DenizenError):
        return isinstance(error, TypeError | ValueError) and str(error).startswith(f"{argument}: ")
    fields = {error.field, *(each.get("field") for each in error.details)}
    return any(to_camel(argument) in field.split(".") for field in fields if field)


@pytest.mark.parametrize(("owner", "name", "argument"), list(arguments()))
async def test_argument_of_a_wrong_type_is_named(connected: AsyncClient, owner: type, name: str, argument: str) -> None:
    """A value that fits no argument is refused by its name, and so is each other that the service does not judge."""
    called_it = "event" if argument == "more" else argument
    with pytest.raises((DenizenError, TypeError, ValueError)) as refused:
        await called(connected, owner, name, argument, object())
    assert names(called_it, refused.value), refused.value
    for odd in ODD:
        # A text may be the path of a file, which is not there.
        with suppress(DenizenError, OSError) if argument == "source" else suppress(DenizenError):
            try:
                await called(connected, owner, name, argument, odd)
            except (TypeError, ValueError) as error:
                if not names(called_it, error):
                    raise


@pytest.mark.parametrize("made", [Client, AsyncClient, TokenVerifier, AsyncTokenVerifier])
def test_argument_of_a_client_of_a_wrong_type_is_named(made: Callable[..., Any]) -> None:
    for argument in set(inspect.signature(made).parameters) - {"options"}:
        for odd in (object(), 1 if argument in ("servers", "issuer", "audience") else "3", b"octets"):
            with pytest.raises(TypeError, match=rf"^{argument}: must be "):
                made(**{argument: odd})


async def test_token_to_verify_that_is_no_text_is_named(denizen: Denizen) -> None:
    async with AsyncTokenVerifier(denizen.nats_url) as verifier:
        for odd in (object(), None, b"octets", 3):
            token: Any = odd
            with pytest.raises(TypeError, match=r"^token: must be a string, not "):
                verifier.verify(token)


def test_empty_secret_is_refused_by_its_field(nowhere: Client) -> None:
    with pytest.raises(ValidationFailed, match="must not be empty") as refused:
        nowhere.auth.users.change_password(UNKNOWN, current_password=PASSWORD, new_password="")
    assert refused.value.field == "newPassword"


@pytest.mark.parametrize("server", ["nats://127.0.0.1:99999", "127.0.0.1:x", "tls://a.example:-1"])
def test_address_with_a_wrong_port_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match=r"^servers: the port of an address is not a number"):
        Client(server)


@pytest.mark.parametrize("option", ["user_credentials", "nkeys_seed", "nkeys_seed_str"])
async def test_credentials_that_need_a_package_name_it(
    denizen: Denizen, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nkeys", None)
    given: dict[str, Any] = {option: "x"}
    async with AsyncClient(denizen.nats_url, **given) as client:
        with pytest.raises(NoAnswer, match="pip install nkeys"):
            await client.auth.users.list()

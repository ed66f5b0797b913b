"""A credential that leaks opens one door: NATS users made by the templates of deploy/nats, on a real server."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from denizen import AsyncClient, AsyncTokenVerifier, Event, NoAnswer, StaleRead, TokenInvalid
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerInfo
from pydantic import SecretStr

from services.domain.sessions import Ended
from services.embedded.home import Home
from services.embedded.nats import Nats, accounts_file
from services.embedded.program import free_port
from services.embedded.websocket import WebSocket
from services.nats_users.accounts_file import Accounts, write
from services.nats_users.user import KINDS, NatsUser, NatsUserKind, new_password
from services.platform.settings import Settings
from services.relay import publishing
from services.relay.subscribers import MOST_PARKED_EACH, Subscribers
from services.tokens.revocations import Revocations
from tests.support.permissions import connect, refused
from tests.support.servers import running
from tests.support.tokens import Signer, user_id

pytestmark = [
    pytest.mark.embedded,
    # nats-py gives aiohttp the time-out of connecting in an old form.
    pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning"),
]

STREAM = "USERS_EVENTS"
PARKED = "USERS_PARKED"
BUCKET = "KV_users_revocations"
API = "$JS.API.CONSUMER"
EVENT = "users.v1.event.UserBlocked.user_x"
BLOCKS = "users.v1.event.UserBlocked.*"
REVOCATION = "$KV.users_revocations.user.user_x"
SHARED = ("backend", "frontend", "subscriber")
PAGE = "http://localhost:8080"
NAMES = ("one", "two")
"""Two users of each kind; back ends and subscribers have a durable of the name `<kind>_<name>`."""
CHECKING = [
    "users.v1.query.GetJwks",
    f"$JS.API.STREAM.INFO.{BUCKET}",
    f"$JS.API.STREAM.MSG.GET.{BUCKET}",
    f"$JS.API.DIRECT.GET.{BUCKET}",
]
"""What checking tokens takes."""


def consumer(durable: str) -> list[str]:
    """What following the events by a durable takes."""
    return [
        f"users.v1.subscriber.FollowEvents.{durable}",
        f"{API}.INFO.{STREAM}.{durable}",
        f"{API}.MSG.NEXT.{STREAM}.{durable}",
        f"{API}.DELETE.{STREAM}.{durable}",
        f"$JS.ACK.{STREAM}.{durable}.1.1.1.1.0",
        f"users.v1.subscriber.SetParkedEvent.{durable}",
        f"{API}.INFO.{PARKED}.{durable}",
        f"{API}.MSG.NEXT.{PARKED}.{durable}",
        f"$JS.ACK.{PARKED}.{durable}.1.1.1.1.0",
    ]


def making(durable: str) -> list[str]:
    """What only the relay does: NATS cannot say what a consumer may be configured to, nor how much may be parked."""
    return [
        *(f"{API}.CREATE.{name}.{durable}" for name in (STREAM, PARKED)),
        f"{API}.CREATE.{STREAM}.{durable}.{BLOCKS}",
        *(f"{API}.DURABLE.CREATE.{name}.{durable}" for name in (STREAM, PARKED)),
        f"users.v1.parked.{durable}.7",
    ]


READING = [
    f"$JS.API.STREAM.INFO.{STREAM}",
    *(f"$JS.API.STREAM.MSG.GET.{name}" for name in (STREAM, PARKED)),
]
MAY_PUBLISH: dict[str, list[str]] = {
    "frontend": [
        "users.v1.public.Authenticate",
        "users.v1.self.GetMe",
        "users.v1.query.GetSealingKey",
        "users.v1.query.VerifyToken",
        *CHECKING,
    ],
    "browser": ["users.v1.public.Authenticate", "users.v1.self.GetMe", "users.v1.query.GetSealingKey"],
    "backend": [
        "users.v1.command.CreateUser",
        "users.v1.public.Authenticate",
        "users.v1.self.GetMe",
        "users.v1.query.GetUser",
        "users.v1.submit.CreateUser",
        "$SRV.PING.users",
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        *READING,
        f"$JS.API.DIRECT.GET.{STREAM}",
        f"$JS.API.DIRECT.GET.{STREAM}.{EVENT}",
        *consumer("backend_one"),
        *CHECKING,
        f"$JS.API.DIRECT.GET.{BUCKET}.{REVOCATION}",
    ],
    "subscriber": [*READING, *consumer("subscriber_one"), *CHECKING],
    "verifier": CHECKING,
}
MAY_SUBSCRIBE: dict[str, list[str]] = {
    "frontend": ["_INBOX.frontend-one.>", "users.v1.revocation.>"],
    "browser": ["_INBOX.browser-one.>"],
    "backend": ["_INBOX.backend-one.>", "users.v1.event.>", "users.v1.revocation.>"],
    "subscriber": ["_INBOX.subscriber-one.>", "users.v1.revocation.>"],
    "verifier": ["_INBOX.verifier-one.>", "users.v1.revocation.>"],
}
NO_USER_PUBLISHES = [
    EVENT,
    REVOCATION,
    "users.v1.revocation.user.user_x",
    "users.v1.dead.CreateUser",
    "users.v1.query.ExportUsersWithHashes",
    "users.v1.command.UndoImport",
    "denizen.signal.denizen.log",
    "$SYS.REQ.SERVER.PING",
    *(
        f"$JS.API.STREAM.{verb}.{name}"
        for verb in ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE")
        for name in (STREAM, PARKED, BUCKET)
    ),
    "$JS.API.STREAM.CREATE.OTHER",
    "$JS.API.STREAM.LIST",
    # Without a name in the subject, a consumer could have any.
    *(f"{API}.CREATE.{name}" for name in (STREAM, PARKED, BUCKET)),
    *(f"{API}.{verb}.{BUCKET}.x" for verb in ("CREATE", "DURABLE.CREATE", "MSG.NEXT", "DELETE")),
    f"{API}.NAMES.{STREAM}",
    f"{API}.LIST.{STREAM}",
    f"$JS.FC.{STREAM}.x.1",
    *(each for durable in ("backend_two", "subscriber_two", "third", "*") for each in consumer(durable)),
    *(each for durable in ("backend_one", "subscriber_one", "backend_two", "*") for each in making(durable)),
    *(f"_INBOX.{user}.x" for user in ("frontend-one", "frontend-two", "backend-two", "operator", *SHARED)),
]
NO_USER_SUBSCRIBES = [
    ">",
    "_INBOX.>",
    "_INBOX.*.>",
    "_INBOX.*",
    *(f"_INBOX.{kind}-two.>" for kind in KINDS),
    *(f"_INBOX.{kind}-two.x" for kind in KINDS),
    *(f"_INBOX.{user}.>" for user in ("responder", "registrar", "signal", "relay", "revoker", "operator", *SHARED)),
    "users.v1.command.*",
    "users.v1.public.*",
    "users.v1.self.*",
    "users.v1.query.*",
    "users.v1.query.GetUser",
    "users.v1.subscriber.*.*",
    "users.v1.subscriber.*.subscriber_one",
    "$KV.users_revocations.>",
    "$JS.ACK.>",
    "$JS.API.>",
    "$SRV.>",
    "denizen.signal.>",
    "$SYS.>",
]
EVERYTHING = sorted({each for subjects in MAY_PUBLISH.values() for each in subjects})


@dataclass
class Site:
    """A nats-server with two added users of each kind."""

    url: str
    passwords: dict[str, str]
    accounts: Accounts = field(repr=False)
    websocket_url: str

    def subjects(self, user: str) -> set[str]:
        """All that the filled template names, but for the user and the password."""
        found = self.accounts.find(user)
        assert found is not None
        return set(re.findall(r'"([^"]+)"', found.configuration())) - {user, found.password}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = Home(tmp_path_factory.mktemp("users"))
    home.create()
    websocket = WebSocket("127.0.0.1", free_port(), (PAGE,), None)
    server, accounts, passwords = Nats(home, 0, websocket), Accounts.shipped(), dict[str, str]()
    for kind in KINDS:
        for name in NAMES:
            durables = (f"{kind}_{name}",) if kind in ("backend", "subscriber") else ()
            password, digest = new_password()
            user = NatsUser(kind=kind, name=name, durables=durables, password=digest)
            accounts, passwords[user.user] = accounts.adding(user), password
    write(accounts_file(home.path), accounts.written())
    with running(server, home.path / "log" / "nats.log"):
        yield Site(server.url, {**server.passwords, **passwords}, accounts, websocket.url)


@pytest.fixture
async def relay(site: Site) -> AsyncIterator[Client]:
    client = await connect(site, "relay")
    await publishing.declare(client, 1)
    yield client
    await client.close()


@pytest.fixture
async def idle(site: Site, relay: Client) -> Subscribers:
    """What the relay answers to subscribers, connected, and not yet answering."""
    await publishing.declare_parked(relay, 1)
    password = SecretStr(site.passwords["registrar"])
    connected = Subscribers(Settings(nats_url=site.url, nats_registrar_password=password), relay)
    await connected.start()
    return connected


@pytest.fixture
async def subscribers(idle: Subscribers) -> AsyncIterator[None]:
    """What the relay answers to subscribers."""
    stop = asyncio.Event()
    running = asyncio.create_task(idle.run(stop))
    yield
    stop.set()
    await running


async def publish(relay: Client, user: str = "user_x") -> int:
    """An event; its sequence number."""
    number = (await relay.jetstream().stream_info(STREAM)).state.last_seq + 1
    body = json.dumps({"userId": user, "version": 1, "status": "BLOCKED"}).encode()
    headers = {
        "ce-id": str(number),
        "ce-type": "users.v1.UserBlocked",
        "ce-subject": user,
        "ce-time": "2026-11-30T12:00:00Z",
        "ce-sequence": str(number),
    }
    await relay.request(f"users.v1.event.UserBlocked.{user}", body, headers=headers)
    return number


async def follow(client: Client, durable: str, **fields: object) -> dict[str, Any]:
    """Ask for the durable; the answer."""
    body = json.dumps({"types": ["UserBlocked"], **fields}).encode()
    return json.loads((await client.request(f"users.v1.subscriber.FollowEvents.{durable}", body, timeout=20)).data)


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject, or a narrower pattern, is within a pattern of NATS."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given = wanted[:-1], given[: len(wanted) - 1] if len(given) >= len(wanted) else []
    return len(wanted) == len(given) and all(a in ("*", b) for a, b in zip(wanted, given, strict=True))


@pytest.mark.parametrize("kind", KINDS)
async def test_added_user_may_do_its_part(site: Site, kind: NatsUserKind) -> None:
    assert await refused(site, f"{kind}-one", MAY_PUBLISH[kind], MAY_SUBSCRIBE[kind]) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_added_user_may_publish_nothing_else(site: Site, kind: NatsUserKind) -> None:
    others = [each for each in EVERYTHING if each not in MAY_PUBLISH[kind]]
    if kind == "backend":
        others = [each for each in others if not each.startswith(("users.v1.", "$JS.API.STREAM.", "$JS.API.DIRECT."))]
    forbidden = [*NO_USER_PUBLISHES, *others]
    assert await refused(site, f"{kind}-one", forbidden, []) == forbidden


@pytest.mark.parametrize("kind", KINDS)
async def test_added_user_may_hear_nothing_else(site: Site, kind: NatsUserKind) -> None:
    forbidden = NO_USER_SUBSCRIBES if kind == "backend" else [*NO_USER_SUBSCRIBES, "users.v1.event.>", EVENT]
    if kind == "browser":
        forbidden = [*forbidden, "users.v1.revocation.>"]
    assert await refused(site, f"{kind}-one", [], forbidden) == forbidden


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_of_a_template_is_tried(site: Site, kind: NatsUserKind) -> None:
    denied = {"users.v1.query.ExportUsersWithHashes", "users.v1.command.UndoImport"}
    for subject in site.subjects(f"{kind}-one") - denied:
        tried = [*MAY_PUBLISH[kind], *MAY_SUBSCRIBE[kind]]
        assert any(matches(subject, each) for each in tried), subject


def test_front_end_template_equals_the_shared_one(site: Site) -> None:
    shared = Accounts.shipped().text.split("user: frontend\n")[1].split("user: subscriber\n")[0]
    found = {each.replace("_INBOX.frontend.", "_INBOX.frontend-one.") for each in re.findall(r'"([^"]+)"', shared)}
    assert site.subjects("frontend-one") == found


@pytest.mark.parametrize("user", ["frontend", "subscriber", "operator"])
async def test_shared_user_cannot_subscribe_to_an_added_inbox(site: Site, user: str) -> None:
    inboxes = [f"_INBOX.{kind}-{name}.>" for kind in KINDS for name in NAMES]
    assert await refused(site, user, [], inboxes) == inboxes


@pytest.mark.parametrize("listening", ["_INBOX.>", "_INBOX.*.>", "_INBOX.*.*", "_INBOX.*.1"])
async def test_replies_reach_the_caller_only(site: Site, listening: str) -> None:
    """The shared back end may subscribe to all inboxes: the server leaves out those of the added users."""
    heard: list[tuple[str, str]] = []
    added = [f"{kind}-{name}" for kind in KINDS for name in NAMES]
    clients = {user: await connect(site, user) for user in (*added, "backend", "responder")}

    async def listen(user: str, client: Client) -> None:
        async def note(message: Msg) -> None:
            heard.append((user, message.subject))

        await client.subscribe(f"_INBOX.{user}.>" if user != "backend" else listening, cb=note)

    for user in (*added, "backend"):
        await listen(user, clients[user])
    await asyncio.gather(*(clients[user].flush() for user in (*added, "backend")))
    for user in (*added, "backend"):
        await clients["responder"].publish(f"_INBOX.{user}.1", b"")
    async with asyncio.timeout(20):
        while len(heard) < len(added) + 1:
            await asyncio.sleep(0.01)
    assert sorted(heard) == sorted((user, f"_INBOX.{user}.1") for user in (*added, "backend"))
    await asyncio.gather(*(client.close() for client in clients.values()))


@pytest.mark.usefixtures("subscribers")
async def test_subscriber_cannot_touch_the_durable_of_another(site: Site, relay: Client) -> None:
    one, two = await connect(site, "subscriber-one"), await connect(site, "subscriber-two")
    operator = await connect(site, "operator")
    await publish(relay)
    await follow(one, "subscriber_one")
    await follow(two, "subscriber_two")
    pulling = await one.jetstream().pull_subscribe_bind("subscriber_one", STREAM)
    (message,) = await pulling.fetch(1, timeout=10)
    before = await operator.jetstream().consumer_info(STREAM, "subscriber_one")
    answers: list[bytes] = []

    async def note(answer: Msg) -> None:
        answers.append(answer.data)

    await two.subscribe("_INBOX.subscriber-two.x", cb=note)
    for subject, body in attacks(message.reply):
        await two.publish(subject, body, reply="_INBOX.subscriber-two.x")
    # Its own requests, answered where the other's durable would be deleted, asked or acknowledged.
    for reply in (*consumer("subscriber_one")[1:4], message.reply):
        for body in (b'{"batch": 1, "no_wait": true}', b'{"batch": 1, "expires": 1000000}', b"x"):
            await two.publish(f"{API}.MSG.NEXT.{STREAM}.subscriber_two", body, reply=reply)
        await two.publish(f"{API}.INFO.{STREAM}.subscriber_two", b"", reply=reply)
    await two.flush()
    assert same(before, await operator.jetstream().consumer_info(STREAM, "subscriber_one"))
    await message.ack_sync()
    # An answer of JetStream behind all that it may have sent.
    await two.request(f"{API}.INFO.{STREAM}.subscriber_two", b"", timeout=20)
    assert [each for each in answers if b'"error"' not in each] == []
    await asyncio.gather(one.close(), two.close(), operator.close())


@pytest.mark.usefixtures("subscribers")
async def test_push_consumer_of_the_shared_subscriber_stores_and_deletes_nothing(site: Site, relay: Client) -> None:
    """What it delivers comes with the rights of the streams' account: not to acknowledge, store, ask or delete."""
    one, two = await connect(site, "subscriber-one"), await connect(site, "subscriber")
    operator = await connect(site, "operator")
    await publish(relay)
    await follow(one, "subscriber_one")
    pulling = await one.jetstream().pull_subscribe_bind("subscriber_one", STREAM)
    (message,) = await pulling.fetch(1, timeout=10)
    before = await operator.jetstream().consumer_info(STREAM, "subscriber_one")
    stored = await operator.jetstream().stream_info(STREAM)
    for target in (message.reply, f"{API}.DELETE.{STREAM}.subscriber_one", f"$JS.API.STREAM.DELETE.{STREAM}", EVENT):
        for ack in ("none", "explicit"):
            await push(two, target, ack)
            await publish(relay)
            await operator.request(f"{API}.DELETE.{STREAM}.pushing", b"", timeout=20)
    after = await operator.jetstream().stream_info(STREAM)
    assert after.state.last_seq == stored.state.last_seq + 8
    assert same(before, await operator.jetstream().consumer_info(STREAM, "subscriber_one"))
    await message.ack_sync()
    await asyncio.gather(one.close(), two.close(), operator.close())


@pytest.mark.parametrize(
    "target",
    [
        "users.v1.command.BlockUser",
        "users.v1.public.Register",
        "users.v1.self.DeleteUser",
        "users.v1.query.GetUser",
        "users.v1.subscriber.FollowEvents.subscriber_one",
        "denizen.signal.denizen.log",
        "$SRV.PING",
    ],
)
async def test_push_consumer_of_the_shared_subscriber_reaches_no_service(
    site: Site, relay: Client, target: str
) -> None:
    """Events are not delivered as commands: the services are in another account than the streams."""
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(message.subject)

    services = [await connect(site, user) for user in ("responder", "registrar", "signal")]
    for client, subjects in zip(
        services,
        (
            [*(f"users.v1.{kind}.*" for kind in ("command", "public", "self", "query")), "$SRV.>"],
            ["users.v1.subscriber.*.*", "$SRV.>"],
            ["denizen.signal.>"],
        ),
        strict=True,
    ):
        for subject in subjects:
            await client.subscribe(subject, cb=note)
        await client.flush()
    subscriber, operator = await connect(site, "subscriber"), await connect(site, "operator")
    await push(subscriber, target, "none")
    number = await publish(relay)
    async with asyncio.timeout(20):
        while True:
            pushing = await operator.jetstream().consumer_info(STREAM, "pushing")
            # Delivered, or held back because nothing listens; either way the consumer has seen the event.
            if not pushing.push_bound or (pushing.delivered and pushing.delivered.stream_seq >= number):
                break
            await asyncio.sleep(0.01)
    for client in services:
        await client.flush()
    assert heard == []
    await operator.request(f"{API}.DELETE.{STREAM}.pushing", b"", timeout=20)
    await asyncio.gather(*(client.close() for client in (*services, subscriber, operator)))


async def push(client: Client, target: str, ack: str, name: str = "pushing") -> bytes:
    """Ask for a consumer that delivers all events to a subject; the answer."""
    config = {
        "name": name,
        "deliver_subject": target,
        "ack_policy": ack,
        "deliver_policy": "all",
        "headers_only": True,
        "idle_heartbeat": 100_000_000,
    }
    body = json.dumps({"stream_name": STREAM, "config": config}).encode()
    return (await client.request(f"{API}.CREATE.{STREAM}.{name}", body, timeout=20)).data


@pytest.mark.usefixtures("subscribers")
@pytest.mark.parametrize("user", ["subscriber-two", "backend-two"])
async def test_added_user_cannot_have_events_pushed_at_the_durable_of_another(
    site: Site, relay: Client, user: str
) -> None:
    """A push consumer whose target is the other's `MSG.NEXT` would make requests for its events that go nowhere."""
    one, two, operator = [await connect(site, each) for each in ("subscriber-one", user, "operator")]
    await follow(one, "subscriber_one")
    own, target = user.replace("-", "_"), f"{API}.MSG.NEXT.{STREAM}.subscriber_one"
    await operator.request(f"{API}.DELETE.{STREAM}.{own}", b"", timeout=20)
    config = {"durable_name": own, "deliver_subject": target, "ack_policy": "none", "deliver_policy": "all"}
    for each in ({**config, "name": own}, config):
        body = json.dumps({"stream_name": STREAM, "config": each}).encode()
        for subject in making(own)[:-1]:
            await two.publish(subject, body, reply=f"_INBOX.{user}.x")
    answer = await follow(two, own, deliverSubject=target)
    assert answer["error"]["code"] == "validation_failed"
    assert "error" not in await follow(two, own)
    made = (await operator.jetstream().consumer_info(STREAM, own)).config
    assert (made.deliver_subject, made.ack_policy, made.max_ack_pending) == (None, AckPolicy.EXPLICIT, 1)
    before = (await operator.jetstream().consumer_info(STREAM, "subscriber_one")).num_waiting
    pulling = await one.jetstream().pull_subscribe_bind("subscriber_one", STREAM)
    number = await publish(relay)
    async with asyncio.timeout(20):
        while True:
            (message,) = await pulling.fetch(1, timeout=10)
            await message.ack_sync()
            if message.metadata.sequence.stream == number:
                break
    assert message.metadata.num_delivered == 1
    assert before == 0
    await asyncio.gather(one.close(), two.close(), operator.close())


async def test_added_subscriber_is_told_where_no_relay_answers(site: Site, relay: Client) -> None:
    await publish(relay)
    user = "subscriber-one"
    operator = await connect(site, "operator")
    await operator.request(f"{API}.DELETE.{STREAM}.subscriber_one", b"", timeout=20)
    async with AsyncClient(site.url, user=user, password=site.passwords[user], timeout=1) as client:
        with pytest.raises(NoAnswer, match=r"no service answers users\.v1\.subscriber\.FollowEvents\.subscriber_one"):
            await client.auth.events.subscribe("UserBlocked", durable="subscriber_one", handler=lambda _: None)
    await operator.close()


@pytest.mark.usefixtures("subscribers")
async def test_flood_of_one_subscriber_leaves_others_their_answers(site: Site, relay: Client) -> None:
    await publish(relay)
    one, two = await connect(site, "subscriber-one"), await connect(site, "subscriber-two")
    came, refused_ones = 0, 0

    async def note(answer: Msg) -> None:
        nonlocal came, refused_ones
        came += 1
        refused_ones += b'"overloaded"' in answer.data

    over = asyncio.Event()

    async def flood() -> None:
        asked = 0
        while not over.is_set():
            if asked - came < 1_000:  # The relay runs on the same event loop here: it would never come to an end.
                for _ in range(200):
                    await two.publish(
                        "users.v1.subscriber.FollowEvents.subscriber_two",
                        b'{"types": ["UserBlocked"]}',
                        reply="_INBOX.subscriber-two.flood",
                    )
                asked += 200
            await two.flush(20)

    await two.subscribe("_INBOX.subscriber-two.flood", cb=note)
    flooding = asyncio.create_task(flood())
    async with asyncio.timeout(20):
        while not refused_ones:
            await asyncio.sleep(0.01)
    answers = [await follow(one, "subscriber_one") for _ in range(10)]
    over.set()
    await flooding
    assert [each for each in answers if "error" in each] == []
    await asyncio.gather(one.close(), two.close())


async def test_request_that_waits_when_the_relay_ends_is_refused(site: Site, idle: Subscribers) -> None:
    one = await connect(site, "subscriber-one")
    asking = [asyncio.create_task(follow(one, "subscriber_one")) for _ in range(2)]
    await asyncio.sleep(0)
    await one.flush(20)
    stop = asyncio.Event()
    stop.set()
    await idle.run(stop)
    said = [(await each)["error"]["message"] for each in asking]
    assert said == ["the service ends; nothing was done, try again"] * 2
    await one.close()


@pytest.mark.usefixtures("subscribers")
async def test_subscriber_with_its_share_of_parked_events_leaves_room_for_others(site: Site, relay: Client) -> None:
    one, two = await connect(site, "subscriber-one"), await connect(site, "subscriber-two")
    for position in range(1, MOST_PARKED_EACH):
        await relay.publish(f"users.v1.parked.subscriber_two.{position}", b"{}")
    # Acknowledged when it is stored, as those before it are.
    await relay.request(f"users.v1.parked.subscriber_two.{MOST_PARKED_EACH}", b"{}", timeout=20)
    refused_one = await park(two, "subscriber_two", MOST_PARKED_EACH + 1)
    assert refused_one["error"]["code"] == "forbidden"
    assert await park(two, "subscriber_two", MOST_PARKED_EACH) == {}, "what is parked may be parked again"
    assert await park(one, "subscriber_one", MOST_PARKED_EACH + 1) == {}
    await asyncio.gather(one.close(), two.close())


async def park(client: Client, durable: str, position: int, state: str = "parked", **fields: object) -> dict[str, Any]:
    """Ask to store what becomes of an event; the answer."""
    facts = {"position": position, "sequence": position, "tries": 1, "at": "2026-11-30T12:00:00Z"}
    body = json.dumps({"state": state, **facts, **fields}).encode()
    return json.loads((await client.request(f"users.v1.subscriber.SetParkedEvent.{durable}", body, timeout=20)).data)


def attacks(ack: str) -> list[tuple[str, bytes]]:
    """Requests and acknowledgements on the durable `subscriber_one`, and requests for it under another name."""
    config = {"ack_policy": "explicit", "filter_subject": "users.v1.event.UserDeleted.*"}

    def wanting(**names: str) -> bytes:
        return json.dumps({"stream_name": STREAM, "config": {**config, **names}}).encode()

    named = wanting(name="subscriber_one", durable_name="subscriber_one")
    return [
        (f"{API}.MSG.NEXT.{STREAM}.subscriber_one", b'{"batch": 1}'),
        (f"{API}.INFO.{STREAM}.subscriber_one", b""),
        (f"{API}.DELETE.{STREAM}.subscriber_one", b""),
        (f"{API}.CREATE.{STREAM}", named),
        (f"{API}.CREATE.{STREAM}.subscriber_one", named),
        (f"{API}.CREATE.{STREAM}.subscriber_one.users.v1.event.UserDeleted.*", named),
        (f"{API}.DURABLE.CREATE.{STREAM}.subscriber_one", named),
        (f"{API}.CREATE.{STREAM}.subscriber_two", wanting(durable_name="subscriber_one")),
        (f"{API}.CREATE.{STREAM}.subscriber_two", wanting(name="subscriber_two", durable_name="subscriber_one")),
        (f"{API}.DURABLE.CREATE.{STREAM}.subscriber_two", wanting(durable_name="subscriber_one")),
        (ack, b"+ACK"),
        (ack, b""),
        (ack, b"-NAK"),
        (ack, b"+TERM"),
        (ack, b"+NXT"),
    ]


def same(before: ConsumerInfo, after: ConsumerInfo) -> bool:
    """Nothing was delivered, acknowledged or changed in between."""
    return (before.config, before.delivered, before.ack_floor, before.num_ack_pending, before.num_waiting) == (
        after.config,
        after.delivered,
        after.ack_floor,
        after.num_ack_pending,
        after.num_waiting,
    )


@pytest.mark.parametrize("user", ["subscriber-two", "backend-two"])
async def test_one_subscriber_cannot_use_up_the_consumers(site: Site, relay: Client, user: str) -> None:
    """Whatever it asks for, there is one consumer more at most: its own."""
    client, operator = await connect(site, user), await connect(site, "operator")
    own = user.replace("-", "_")
    for number in range(300):
        name = f"greedy{number}"
        config = {"ack_policy": "explicit", "name": name}
        body = json.dumps({"stream_name": STREAM, "config": config}).encode()
        durable = json.dumps({"stream_name": STREAM, "config": {**config, "durable_name": name}}).encode()
        for subject, wanted in (
            (f"{API}.CREATE.{STREAM}", body),
            (f"{API}.CREATE.{STREAM}.{name}", body),
            (f"{API}.DURABLE.CREATE.{STREAM}.{name}", durable),
            (f"{API}.CREATE.{STREAM}.{own}", body),
            (f"{API}.DURABLE.CREATE.{STREAM}.{own}", durable),
        ):
            await client.publish(subject, wanted, reply=f"_INBOX.{user}.x")
    await client.request(f"{API}.INFO.{STREAM}.{own}", b"", timeout=20)
    found = await operator.request(f"{API}.NAMES.{STREAM}", b"", timeout=20)
    assert set(json.loads(found.data)["consumers"] or []) <= {"subscriber_one", "subscriber_two", "backend_two"}
    await asyncio.gather(client.close(), operator.close())


@pytest.mark.usefixtures("subscribers")
@pytest.mark.parametrize("user", ["subscriber-one", "backend-one"])
async def test_python_client_follows_events_as_an_added_user(site: Site, relay: Client, user: str) -> None:
    number = await publish(relay)
    events: asyncio.Queue[Event] = asyncio.Queue()
    durable = user.replace("-", "_")
    async with AsyncClient(site.url, user=user, password=site.passwords[user]) as client:
        await client.auth.events.subscribe("UserBlocked", durable=durable, handler=events.put)
        async with asyncio.timeout(20):
            while (await events.get()).position != number:
                pass


@pytest.mark.usefixtures("subscribers")
@pytest.mark.parametrize("user", ["subscriber-one", "backend-one"])
async def test_python_client_parks_events_as_an_added_user(site: Site, relay: Client, user: str) -> None:
    number = await publish(relay)
    durable = user.replace("-", "_")
    handled = asyncio.Event()

    def handler(event: Event) -> None:
        if event.position == number and not handled.is_set():
            raise ValueError

    async with AsyncClient(site.url, user=user, password=site.passwords[user]) as client:
        events = client.auth.events
        await events.subscribe("UserBlocked", durable=durable, handler=handler, park_after=1)
        async with asyncio.timeout(20):
            while number not in [each.event.position for each in await events.parked(durable)]:
                await asyncio.sleep(0.05)
            handled.set()
            await events.retry_parked(durable, number)
            while await events.parked(durable):
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "browser"])
async def test_token_verifier_works_as_an_added_user(site: Site, kind: NatsUserKind) -> None:
    responder, revoker = await connect(site, "responder"), await connect(site, "revoker")
    signer, revocations = Signer(), Revocations(revoker)
    await signer.serve(responder)
    await revocations.declare(1)
    await revocations.fill([])
    user, added = user_id(), f"{kind}-one"
    token = signer.sign(user, position=1)
    async with AsyncTokenVerifier(site.url, user=added, password=site.passwords[added]) as verifier:
        assert verifier.verify(token).user_id == user
        await revocations.put_ended(Ended(user, None, 2))
        async with asyncio.timeout(20):
            while not is_refused(verifier, token):
                await asyncio.sleep(0.02)
    await asyncio.gather(responder.close(), revoker.close())


def is_refused(verifier: AsyncTokenVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except (TokenInvalid, StaleRead) as error:
        return isinstance(error, TokenInvalid)
    return False


async def test_python_client_asks_as_a_front_end_by_an_added_name(site: Site) -> None:
    """On the public subjects, answered on its own inbox: by option, and by the address."""
    responder = await connect(site, "responder")
    asked: list[tuple[str, str]] = []

    async def answer(message: Msg) -> None:
        asked.append((message.subject, message.reply.rpartition(".")[0].rpartition(".")[0]))
        await message.respond(b"{}")

    await responder.subscribe("users.v1.public.*", cb=answer)
    await responder.flush()
    password = site.passwords["frontend-one"]
    address = site.url.replace("nats://", f"nats://frontend-one:{password}@")
    for client in (AsyncClient(site.url, user="frontend-one", password=password), AsyncClient(address)):
        async with client:
            await client.auth.users.send_password_reset_email("ada@example.com")
    assert asked == 2 * [("users.v1.public.SendPasswordResetEmail", "_INBOX.frontend-one")]
    await responder.close()


async def test_template_files_are_all_kinds() -> None:
    permissions = Path(__file__).parents[2] / "deploy" / "nats" / "permissions"
    assert sorted(path.stem for path in permissions.glob("*.conf")) == sorted(KINDS)

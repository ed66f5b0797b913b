"""The cases of contracts/cases/calls/, a responder that plays the service in them, and the check of what a client did.

A client runs all cases at once, each over a connection of its own: its NATS user is `<user>-<number>`, and the inbox
of the replies tells the responder which case a request belongs to.
"""

import asyncio
import base64
import json
import re
import signal
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import nats
from denizen import headers as h
from denizen.errors import BY_CODE
from denizen.operations import OPERATIONS
from nacl.public import PrivateKey
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.embedded.nats import binary
from services.embedded.program import free_port, launched
from services.endpoint import sealed_replies
from services.endpoint.contract import body_schemas, sealed
from services.endpoint.contract.header_schemas import request_headers
from services.platform import environment
from services.tokens.sealing import opened
from tests.support.servers import REPOSITORY, running

Json = dict[str, Any]

DIRECTORY = REPOSITORY / "contracts" / "cases" / "calls"
ALREADY_SENT = 0.1
"""How long a responder waits for requests that should not come, once a client has ended, in seconds."""
_KEY = PrivateKey(base64.urlsafe_b64decode(sealed.FORMAT["vectors"][0]["privateKey"] + "="))
_BY_SUBJECT = {operation.subject: operation for operation in OPERATIONS.values()}
_CONTROLLED = {h.COMMAND_ID, h.DEADLINE}
"""The headers of every command, which a case lists only where it says more of them."""


def cases() -> list[Json]:
    """Every case, with the values of values.json in the place of their names."""
    values = json.loads((DIRECTORY / "values.json").read_bytes())
    found: list[Json] = []
    for path in sorted(DIRECTORY.glob("*.json")):
        if path.name != "values.json":
            found += _filled(json.loads(path.read_bytes())["cases"], values)
    return found


def _filled(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_filled(each, values) for each in cast(list[Any], node)]
    if isinstance(node, dict):
        given = {key: _filled(value, values) for key, value in cast(Json, node).items() if key != "$"}
        return {**values[node["$"]], **given} if "$" in node else given
    if isinstance(node, str) and node.startswith("$") and node[1:] in values:
        return values[node[1:]]
    return node


def user_of(number: int, case: Json) -> str:
    """The NATS user of the client that runs a case."""
    return f"{case.get('client', {}).get('user', 'backend')}-{number}"


class _BareNats:
    """nats-server without accounts."""

    name = "nats"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self.stop_signal = signal.SIGTERM

    def prepare(self) -> None:
        pass

    def command(self) -> list[str]:
        return launched([binary(), "-a", "127.0.0.1", "-p", str(self.port)], self._directory, self.stop_signal)

    def environment(self) -> dict[str, str]:
        return environment.inherited()

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.2) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False


@contextmanager
def bare_nats(directory: Path) -> Generator[str]:
    """The address of a nats-server where every user may do everything."""
    server = _BareNats(directory)
    with running(server, directory / "nats.log"):
        yield f"nats://127.0.0.1:{server.port}"


@dataclass
class Scene:
    """A case under way: the requests that came, and the faults that were found in them."""

    case: Json
    reached: int = 0
    faults: list[str] = field(default_factory=list[str])
    same: Json = field(default_factory=dict[str, Any])

    def next(self) -> Json | None:
        """What the case says of the next request."""
        wire: list[Json] = self.case["wire"]
        if self.reached < len(wire):
            self.reached += 1
            return wire[self.reached - 1]
        return wire[-1] if wire and wire[-1].get("again") else None


class Responder:
    """Answers the requests of all cases as they say."""

    def __init__(self, client: Client, scenes: Mapping[str, Scene]) -> None:
        """`scenes`: by NATS user."""
        self._client = client
        self._scenes = scenes
        self._late: set[asyncio.Task[None]] = set()

    async def take(self, message: Msg) -> None:
        """Check a request, and answer it."""
        scene = self._scenes[message.reply.split(".")[1]]
        if message.subject.endswith(".GetSealingKey") and not scene.case.get("listsKeys"):
            key = json.loads((DIRECTORY / "values.json").read_bytes())["key"]
            await self._answer(message, {"body": key, "sealed": h.REPLY_KEY in (message.headers or {})})
            return
        expected = scene.next()
        if expected is None:
            scene.faults.append(f"{message.subject}: not expected")
            return
        scene.faults += faults_of(message, expected["request"], scene.same)
        if (reply := expected["reply"]) is not None:
            task = asyncio.create_task(self._answer(message, reply))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _answer(self, message: Msg, reply: Json) -> None:
        await asyncio.sleep(reply.get("after", 0))
        headers: dict[str, str] = dict(reply.get("headers", {}))
        if error := reply.get("error"):
            kind = BY_CODE.get(error["code"])
            headers |= {h.SERVICE_ERROR: error["message"], h.SERVICE_ERROR_CODE: str(kind.number if kind else 500)}
        body = {"error": error} if error else reply["body"]
        data = json.dumps(body).encode()
        if reply.get("sealed") and (key := sealed_replies.key_of(message.reply, message.headers)):
            data, headers = sealed_replies.sealed(key, data, headers)
        for _ in range(reply.get("times", 1)):
            await self._client.publish(message.reply, data, headers=headers or None)


@asynccontextmanager
async def responding(url: str, scenes: Mapping[str, Scene]) -> AsyncGenerator[None]:
    """A responder for the cases; afterwards each scene has the faults of its requests."""
    client = await nats.connect(url)
    try:
        responder = Responder(client, scenes)
        await client.subscribe("users.v1.>", cb=responder.take)
        await client.flush()
        yield
        await asyncio.sleep(ALREADY_SENT)
    finally:
        await client.close()


def faults_of(message: Msg, expected: Json, same: Json) -> list[str]:
    """How a request differs from what a case says. `same`: values that must be the same again, by their names."""
    subject = message.subject
    faults = [] if subject == expected["subject"] else [f"{subject} instead of {expected['subject']}"]
    headers = dict(message.headers or {})
    wanted: Json = expected.get("headers", {})
    for name, value in wanted.items():
        if name not in headers or not _matches(headers[name], value, same):
            faults.append(f"{subject}: header {name} is {headers.get(name)!r} instead of {value!r}")
    operation = _BY_SUBJECT[subject]
    always = _CONTROLLED & request_headers(operation)["properties"].keys() if not operation.reads else set[str]()
    faults += [f"{subject}: header {name} is missing" for name in sorted(always - headers.keys())]
    faults += [f"{subject}: header {name} is not expected" for name in sorted(headers.keys() - wanted.keys() - always)]
    command_id = headers.get(h.COMMAND_ID, "")
    if h.COMMAND_ID in always and not re.fullmatch(h.COMMAND_ID_FORM, command_id):
        faults.append(f"{subject}: the command id is {command_id!r}")
    body = _without_defaults(_unsealed(json.loads(message.data), command_id), operation.request.__name__)
    if body != (want := _without_defaults(expected["body"], operation.request.__name__)):
        faults.append(f"{subject}: body {json.dumps(body)} instead of {json.dumps(want)}")
    return faults


def _matches(value: str, wanted: Any, same: Json) -> bool:
    match wanted:
        case {"same": name}:
            return same.setdefault(name, value) == value
        case {"not": name}:
            return same[name] != value
        case {"in": seconds}:
            left = (datetime.fromisoformat(value) - datetime.now(UTC)).total_seconds()
            return seconds - 30 < left <= seconds + 1
        case _:
            return value == wanted


def _unsealed(node: Any, command_id: str) -> Any:
    """The body with `{"sealed": secret}` in the place of each sealed secret, opened for the command."""
    if isinstance(node, dict):
        return {key: _unsealed(value, command_id) for key, value in cast(Json, node).items()}
    if isinstance(node, str) and (form := re.fullmatch(r"sealed:k1:([A-Za-z0-9_-]+)", node)):
        return {"sealed": opened(_KEY, form[1], command_id)}
    return node


def _without_defaults(body: Json, model: str) -> Json:
    """The body without the fields that have the default of the contract: whether they are sent is the client's own."""
    properties: Json = _SCHEMAS[model]["properties"]
    return {key: value for key, value in body.items() if properties.get(key, {}).get("default", ...) != value}


_SCHEMAS = body_schemas.schemas()


def verdicts(scenes: Mapping[str, Scene], outcomes: Mapping[str, list[Json]]) -> dict[str, list[str]]:
    """The faults of each case that has any, by its name. `outcomes`: of the calls of a case, by its name."""
    found: dict[str, list[str]] = {}
    for scene in scenes.values():
        name: str = scene.case["name"]
        wire: list[Json] = scene.case["wire"]
        faults = [*scene.faults]
        faults += [f"{each['request']['subject']}: did not come" for each in wire[scene.reached :]]
        calls: list[Json] = scene.case["calls"]
        mine = outcomes.get(name, [])
        if len(mine) != len(calls):
            faults.append(f"{len(calls)} calls, and {len(mine)} outcomes")
        for call, outcome in zip(calls, mine, strict=False):
            if not is_as(outcome, call):
                want = {key: call[key] for key in ("result", "error") if key in call}
                faults.append(f"{call['call']}: {json.dumps(outcome)[:600]} instead of {json.dumps(want)[:600]}")
        if faults:
            found[name] = faults
    return found


def is_as(outcome: Json, call: Json) -> bool:
    """Whether a call ended as its case says."""
    if "result" in call:
        return "result" in outcome and outcome["result"] == call["result"]
    wanted: Json = call["error"]
    if "class" not in wanted:
        return outcome == wanted
    error: Json = outcome.get("error", {})
    said = all(error.get(key) == value for key, value in wanted.items() if key != "class")
    return said and wanted["class"] in error.get("classes", ())

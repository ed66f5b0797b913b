"""The streams and buckets of JetStream: which messages name a user, and whether they are as thin as they must be."""

import base64
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, cast

import orjson
from denizen import events, revocations
from denizen import headers as h
from nats.aio.client import Client
from nats.errors import Error as NatsError

from services.domain.values import Json
from services.erasure import thin
from services.erasure.forms import Forms
from services.erasure.receipt import Place, Tombstone

_SECONDS = 5.0
_HEADERS = {
    *("ce-specversion", "ce-id", "ce-type", "ce-source", "ce-subject", "ce-time", "ce-sequence"),
    *("ce-datacontenttype", "content-type"),
    *(h.COMMAND_ID, h.TRACEPARENT, h.CE_TRACEPARENT, "Nats-Expected-Last-Sequence"),
}
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class _Message:
    sequence: int
    subject: str
    headers: dict[str, str]
    octets: bytes
    """Headers and body."""
    body: Json | None
    """None where it is no JSON object."""


class StreamUnreadable(Exception):
    """NATS does not answer: the stream is not there, or may not be read."""


async def search(client: Client, forms: Forms, stone: Tombstone) -> list[Place]:
    """Look through every stream that there is."""
    try:
        names = await _names(client)
    except (StreamUnreadable, NatsError) as error:
        return [Place("NATS", faults=[f"the streams cannot be listed ({error or type(error).__name__})"])]
    return [await _search(client, name, forms, stone) for name in names]


async def _search(client: Client, name: str, forms: Forms, stone: Tombstone) -> Place:
    place = Place(f"stream {name}", 0)
    try:
        if name == events.STREAM:
            await _events(client, place, forms, stone)
        elif name == revocations.REVOCATIONS_STREAM:
            await _revocations(client, place, forms)
        else:
            async for message in _messages(client, name, ">"):
                place.searched = (place.searched or 0) + 1
                if forms.are_in(message.subject.encode() + message.octets):
                    place.fault(f"message {message.sequence} names the user")
    except (StreamUnreadable, NatsError) as error:
        place.fault(f"cannot be read ({error or type(error).__name__})")
    return place


async def _events(client: Client, place: Place, forms: Forms, stone: Tombstone) -> None:
    place.reason = "ids, status, names of fields, reasons"
    async for message in _messages(client, events.STREAM, f"users.v1.event.*.{forms.user_id}"):
        place.searched = place.kept = place.kept + 1
        for fault in thin.faults(message.body, forms.user_id):
            place.fault(f"message {message.sequence}: {fault}")
        if message.headers.keys() - _HEADERS or message.headers.get("ce-subject") != forms.user_id:
            place.fault(f"message {message.sequence}: headers that the contract does not name")
        if int(message.headers.get("ce-sequence", 0)) > stone.position:
            place.fault(f"message {message.sequence} comes after the tombstone")


async def _revocations(client: Client, place: Place, forms: Forms) -> None:
    place.reason = f"which of the user's tokens are refused, for {revocations.KEPT_SECONDS // 60} minutes"
    async for message in _messages(client, revocations.REVOCATIONS_STREAM, f"{revocations.KEYS}user.{forms.user_id}"):
        place.searched = place.kept = place.kept + 1
        if not _is_position(message.body or {}):
            place.fault(f"message {message.sequence} holds more than a position")


def _is_position(body: Json) -> bool:
    return body.keys() == {"position"} and type(body["position"]) is int


async def _names(client: Client) -> list[str]:
    names: list[str] = []
    while True:
        page = await _ask(client, "$JS.API.STREAM.NAMES", {"offset": len(names)})
        names += page.get("streams") or []
        if not page.get("streams") or len(names) >= page["total"]:
            return sorted(names)


async def _messages(client: Client, stream: str, subject: str) -> AsyncGenerator[_Message]:
    """Those on a subject, oldest first, one by one: reading makes no consumer and needs no right to make one."""
    sequence = 0
    while True:
        answer = await _ask(client, f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": sequence + 1, "next_by_subj": subject})
        if "error" in answer:
            if answer["error"].get("code") == _NOT_FOUND:
                return
            raise StreamUnreadable(f"JetStream answers {answer['error'].get('code')}")
        stored = answer["message"]
        sequence = stored["seq"]
        header, data = (base64.b64decode(stored.get(part) or "") for part in ("hdrs", "data"))
        yield _Message(sequence, stored["subject"], _headers(header), header + data, _parsed(data))


async def _ask(client: Client, subject: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await client.request(subject, orjson.dumps(body), timeout=_SECONDS)
    answer: dict[str, Any] = orjson.loads(reply.data)
    return answer


def _headers(octets: bytes) -> dict[str, str]:
    """As they are stored: a line `NATS/1.0`, then `name: value` lines."""
    lines = octets.decode("utf-8", "replace").split("\r\n")[1:]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines) if name}


def _parsed(data: bytes) -> Json | None:
    try:
        body: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return cast(Json, body) if isinstance(body, dict) else None

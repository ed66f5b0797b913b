"""Follows the NATS bucket `users_revocations`, which says whose tokens are refused, and proves that nothing is missing.

Its entries are `user.<userId>` with `{"position": P}` (sessions that began before place P of the user's own history,
the claim `pos` of their tokens, have ended), `session.<sessionId>` and `key.<keyId>` with `{}` (that session, or what
that key signed, is over), and `filled`, by which the relay tells that nothing of the log's last hour is missing. An
entry is only ever replaced by a larger one, so they can be taken in any order, and twice.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from denizen.jetstream import failure, refuse_unavailable
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

REVOCATIONS_STREAM = "KV_users_revocations"
KEYS = "$KV.users_revocations."
LIVE = "users.v1.revocation."
"""Where NATS repeats each entry as soon as it is stored."""
FILLED = "filled"
KEPT_SECONDS = 75 * 60
"""How long an entry is kept: longer than any access token lives (an hour), by the clocks' difference."""
_INFO = f"$JS.API.STREAM.INFO.{REVOCATIONS_STREAM}"
_GET = f"$JS.API.DIRECT.GET.{REVOCATIONS_STREAM}"
_GET_OF_LEADER = f"$JS.API.STREAM.MSG.GET.{REVOCATIONS_STREAM}"
_PAGE = 1000


class BucketUnreadable(Exception):
    """The bucket is missing, or says what it should not."""


def run_of(info: Mapping[str, Any]) -> str:
    """The name of a stream's present life, from its info: one that lost entries has another name from then on.

    With one replica the stream may lose its newest entries when its server dies; a server without a configured
    name has another one after each start.
    """
    leader = info["cluster"]["leader"] if info["config"]["num_replicas"] == 1 else ""
    return f"{info['created']}/{leader}"


class Table:
    """The entries. Any thread may look, one adds. An entry is forgotten between once and twice KEPT_SECONDS later."""

    def __init__(self) -> None:
        self._generations: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._began = time.monotonic()

    def add(self, key: str, position: int) -> None:
        """An entry of `position` 0 or more."""
        if time.monotonic() - self._began > KEPT_SECONDS:
            self._generations = ({}, self._generations[0])
            self._began = time.monotonic()
        self._generations[0][key] = max(position, self.get(key))

    def get(self, key: str) -> int:
        """The position of an entry, -1 where there is none."""
        new, old = self._generations
        return max(new.get(key, -1), old.get(key, -1))


class Watch:
    """Follows the bucket over one connection at a time.

    The entries come by a plain subscription: a consumer of JetStream for each verifier would come later, die of
    reconnects, and need rights by which one can do harm. What proves that none was missed are the sequence numbers.
    """

    def __init__(self) -> None:
        self.table = Table()
        self.fresh_at = float("-inf")
        """As of when (time.monotonic) all that was in the bucket is known to be in the table."""
        self._client: Client | None = None
        self._live: Subscription | None = None
        self._known_to = 0
        """Every entry up to this sequence number that still counts is in the table."""
        self._run = ""
        self._filled = False
        self._interrupted = False

    async def interrupt(self) -> None:
        """The connection is gone: a server that comes back may have lost entries, and numbered others like them."""
        self._interrupted = True

    async def prove(self, client: Client, seconds: float) -> None:
        """Learn how far the bucket is, read what is missing, and note that. Each answer may take `seconds`.

        Raises BucketUnreadable, JetStreamUnavailable, TimeoutError, nats.errors.Error: then nothing is proved.
        """
        if client is not self._client:
            await self._subscribe(client)
        if self._interrupted:
            self._interrupted = False
            self._known_to = 0
        asked = time.monotonic()
        try:
            info = _parsed(await client.request(_INFO, timeout=seconds))
        except NoRespondersError as error:
            raise failure("the bucket of revocations", error) from None
        last: int = info["state"]["last_seq"]
        if run_of(info) != self._run or last < self._known_to:
            self._run = run_of(info)
            self._filled = False
            self._known_to = 0
        if self._known_to < last:
            while await self._read_on(client, seconds):
                pass
        if self._known_to < last and await self._is_gone(client, last, seconds):
            self._known_to = last
        if not self._filled:
            raise BucketUnreadable("the relay has not filled the bucket yet")
        if self._known_to >= last and not self._interrupted:
            self.fresh_at = asked

    async def _subscribe(self, client: Client) -> None:
        if self._live is not None and self._client is not None and not self._client.is_closed:
            await self._live.unsubscribe()
        self._interrupted = True
        self._live = await client.subscribe(f"{LIVE}>", cb=self._on_live)
        self._client = client

    async def _on_live(self, message: Msg) -> None:
        sequence = self._take(message)
        if sequence == self._known_to + 1:
            self._known_to = sequence

    async def _read_on(self, client: Client, seconds: float) -> bool:
        """Read a page of the entries behind `_known_to`; is there more? (NATS ADR-31, batched direct get)."""
        ended: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()

        async def take(message: Msg) -> None:
            headers = _headers(message)
            if "Status" not in headers:
                self._known_to = max(self._known_to, self._take(message))
            elif not ended.done():
                ended.set_result(headers)

        inbox = client.new_inbox()
        page = await client.subscribe(inbox, cb=take)
        try:
            wanted = {"seq": self._known_to + 1, "batch": _PAGE, "next_by_subj": f"{KEYS}>"}
            await client.publish(_GET, json.dumps(wanted).encode(), reply=inbox)
            async with asyncio.timeout(seconds):
                end = await ended
        finally:
            if not client.is_closed:
                await page.unsubscribe()
        if end["Status"] not in ("204", "404"):
            raise BucketUnreadable(f"the bucket answers {end['Status']}")
        return end.get("Nats-Num-Pending", "0") != "0"

    async def _is_gone(self, client: Client, sequence: int, seconds: float) -> bool:
        """Reading did not come to the newest entry: has it expired, or was it an old copy that we read?"""
        reply = await client.request(_GET_OF_LEADER, json.dumps({"seq": sequence}).encode(), timeout=seconds)
        error: dict[str, Any] = json.loads(reply.data).get("error", {})
        return error.get("code") == 404

    def _take(self, message: Msg) -> int:
        """Put an entry into the table; its sequence number, 0 where it is none.

        Only the headers that nats-server writes count: a caller who may ask JetStream for anything can have the
        answer sent to any subject, ours included.
        """
        headers = _headers(message)
        subject = headers.get("Nats-Subject", "")
        if headers.get("Nats-Stream") != REVOCATIONS_STREAM or not subject.startswith(KEYS):
            return 0
        key = subject.removeprefix(KEYS)
        entry: dict[str, Any] = json.loads(message.data or b"{}")
        if key == FILLED:
            self._filled |= entry.get("run") == self._run
        else:
            self.table.add(key, entry.get("position", 0))
        return int(headers["Nats-Sequence"])


def _headers(message: Msg) -> dict[str, str]:
    return message.headers or {}


def _parsed(reply: Msg) -> dict[str, Any]:
    """The answer of JetStream's API. Raises BucketUnreadable."""
    body: dict[str, Any] = json.loads(reply.data)
    if "error" in body:
        refuse_unavailable("the bucket of revocations", body)
        raise BucketUnreadable(f"the bucket of revocations answers {body['error'].get('code')}: is the relay running?")
    return body


FAILURES = (BucketUnreadable, NatsError, TimeoutError, OSError, KeyError, TypeError, ValueError)
"""What `Watch.prove` raises while NATS or the relay is away, or speaks otherwise than it should."""

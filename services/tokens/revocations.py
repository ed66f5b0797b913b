"""Writes revocations into the NATS bucket `users_revocations`, which every verifier follows."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from denizen.jetstream import WRONG_LAST_SEQUENCE
from denizen.revocations import FILLED, KEPT_SECONDS, KEYS, LIVE, REVOCATIONS_STREAM, run_of
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, Error, NoRespondersError
from nats.js.api import PersistMode, RePublish, StreamConfig

from services.domain.sessions import Ended

_KEY = re.compile(r"(user|session|key)\.[A-Za-z0-9_-]{1,128}")
_PUT_SECONDS = 5.0
_DECLARE_SECONDS = 3.0
_ATTEMPT_SECONDS = 1.0
_AT_ONCE = 256
_PAUSE_SECONDS = 0.05
_STREAM_EXISTS = 10058


class RevocationFailed(Exception):
    """NATS did not acknowledge it in time, so a verifier may not know it: try again."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """An entry: `place` is where the user's sessions ended (services/domain/sessions.py), 0 for a session or a key."""

    key: str
    place: int = 0

    @classmethod
    def of(cls, ended: Ended) -> "Revocation":
        """The entry for sessions that ended."""
        if ended.session_id is not None:
            return cls(f"session.{ended.session_id}")
        return cls(f"user.{ended.user_id}", ended.place)


class Revocations:
    """The bucket, over a connection of the NATS user `revoker` or `relay`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._why = ""

    async def declare(self, replicas: int) -> None:
        """Make the bucket where it is missing. Raises RevocationFailed."""
        config = StreamConfig(
            name=REVOCATIONS_STREAM,
            description="Who was signed out in the last hour",
            subjects=[f"{KEYS}>"],
            max_msgs_per_subject=1,
            max_age=KEPT_SECONDS,
            num_replicas=replicas,
            # What a crash takes is filled again from the log, and until then no verifier trusts the bucket.
            persist_mode=PersistMode.ASYNC if replicas == 1 else None,
            # Verifiers listen to this. A consumer for each would be slower, and a right to make consumers is one to
            # have NATS publish where one may not (docs/decisions/0013).
            republish=RePublish(src=f"{KEYS}>", dest=f"{LIVE}>"),
            allow_direct=True,
            allow_msg_ttl=True,
            deny_delete=True,
            deny_purge=True,
        )
        # Where another version of ours made it with another configuration, it stays as it is.
        async with self._bounded(_DECLARE_SECONDS):
            await self._insist(
                f"$JS.API.STREAM.CREATE.{REVOCATIONS_STREAM}", orjson.dumps(config.as_dict()), {}, _STREAM_EXISTS
            )

    async def fill(self, revocations: Iterable[Revocation]) -> None:
        """Put all that the log revoked in the last hour; from then on verifiers trust the bucket.

        Raises RevocationFailed.
        """
        # Asked first: if the server loses entries while they are put, this names a life that is over.
        run = run_of(await self._insist(f"$JS.API.STREAM.INFO.{REVOCATIONS_STREAM}", b"", {}))
        await self.put(revocations)
        await self._insist(f"{KEYS}{FILLED}", orjson.dumps({"run": run}), {"Nats-TTL": "never"})

    async def put_ended(self, ended: Ended) -> None:
        """Refuse the tokens of sessions that ended. Raises RevocationFailed."""
        await self._put(Revocation.of(ended))

    async def put_key(self, key_id: str) -> None:
        """Refuse the tokens that a key has signed. Raises RevocationFailed."""
        await self._put(Revocation(f"key.{key_id}"))

    async def put(self, revocations: Iterable[Revocation]) -> None:
        """Store them, many at a time. Raises RevocationFailed where one was not within five seconds."""
        rest = iter(revocations)
        while some := list(islice(rest, _AT_ONCE)):
            outcomes = await asyncio.gather(*map(self._put, some), return_exceptions=True)
            for failure in filter(None, outcomes):
                raise failure

    @asynccontextmanager
    async def _bounded(self, seconds: float = _PUT_SECONDS) -> AsyncGenerator[None]:
        self._why = ""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise RevocationFailed(f"NATS does not take revocations{self._why}") from error

    async def _put(self, revocation: Revocation) -> None:
        """Compare and set, so that of two who race the later place stays."""
        if not _KEY.fullmatch(revocation.key):
            raise ValueError("not a key of the bucket")
        subject = f"{KEYS}{revocation.key}"
        data = orjson.dumps({"position": revocation.place} if revocation.key.startswith("user.") else {})
        async with self._bounded():
            place, sequence = -1, 0  # Most are new, and then one round trip does.
            while place < revocation.place:
                expected = {"Nats-Expected-Last-Subject-Sequence": str(sequence)}
                if "error" not in await self._insist(subject, data, expected, WRONG_LAST_SEQUENCE):
                    return
                place, sequence = await self._stored(subject)

    async def _stored(self, subject: str) -> tuple[int, int]:
        """Place and sequence number of an entry; (-1, 0) where there is none."""
        reply = await self._request(f"$JS.API.DIRECT.GET.{REVOCATIONS_STREAM}.{subject}", b"", {})
        headers = reply.headers or {}
        if "Nats-Sequence" not in headers:
            return -1, 0
        return orjson.loads(reply.data).get("position", 0), int(headers["Nats-Sequence"])

    async def _insist(self, subject: str, data: bytes, headers: dict[str, str], *fine: int) -> dict[str, Any]:
        """The answer of JetStream, asked until it is none of an outage. `fine`: numbers of errors to return.

        Raises RevocationFailed.
        """
        async with self._bounded():
            while True:
                answer: dict[str, Any] = orjson.loads((await self._request(subject, data, headers)).data)
                if answer.get("error", {}).get("err_code") in (None, *fine):
                    return answer
                self._why = f": {answer['error'].get('description')}"
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _request(self, subject: str, data: bytes, headers: dict[str, str]) -> Msg:
        """An answer, asked for until there is one."""
        while True:
            try:
                return await self._client.request(subject, data, timeout=_ATTEMPT_SECONDS, headers=headers or None)
            except ConnectionClosedError as error:
                raise RevocationFailed("the connection to NATS is closed") from error
            except NoRespondersError:
                self._why = ": it runs without JetStream, or without it for this user"
                await asyncio.sleep(_PAUSE_SECONDS)
            except Error:
                await asyncio.sleep(_PAUSE_SECONDS)

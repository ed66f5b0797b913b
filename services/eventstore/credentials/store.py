"""Reads password hashes, codes and live sessions.

Appends write these tables (rows.py). This module writes only two counters: attempts at a code, and refreshes of a
session.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import LiteralString

import psycopg

from services.domain.claim_kinds import Claim
from services.domain.streams import logins_of, user_of
from services.eventstore.credentials.rows import session_bound_to
from services.eventstore.credentials.session import StoredSession
from services.eventstore.keys.data_keys import KeyRing
from services.platform import sql
from services.platform.database import Database, ResultRow
from services.platform.settings import Settings

_ATTEMPTS = 5
"""How often a verification code can be tried."""


def _sql(name: str) -> LiteralString:
    return sql.load("services.eventstore.credentials", name)


@dataclass(frozen=True, slots=True)
class Credential:
    """The hash of a user's password, None where there is none; and the version of the user when it was read."""

    user_id: str
    password: str | None
    version: int


class IdUsed(Exception):
    """Another command had this id; nothing was done."""


def long_code_digest(ring: KeyRing, digest: bytes, code: str) -> bytes:
    """The stored form of a long verification code: an HMAC over the digest of its mail's six digits, and over itself.

    So it ends when the six digits are replaced, also by a service of the version before, which knows only these.
    """
    return ring.digest("long code", digest + code.encode())


class SecretStore:
    """Over a connection of its own. Methods raise DatabaseUnavailable."""

    def __init__(self, settings: Settings, ring: KeyRing, name: str, *, role: str = "app") -> None:
        """`name` and `role` as of a Database."""
        self._database = Database(settings, f"{name} secrets", role=role)
        self._ring = ring

    async def close(self) -> None:
        await self._database.close()

    async def by_email(self, key: str) -> Credential | None:
        """Of the user who holds an address; `key` is its canonical form."""
        return (await self.by_emails([key])).get(key)

    async def by_emails(self, keys: Sequence[str]) -> dict[str, Credential]:
        """Of the users who hold these addresses; a free address is absent."""
        claims = {self._ring.claim("email", key): key for key in keys}
        rows = await self._database.fetch(_sql("secrets_by_email"), [list(claims)]) if claims else []
        return {claims[bytes(claim)]: Credential(*credential) for claim, *credential in rows}

    async def by_id(self, user_id: str) -> Credential:
        """Of a user; version 0 where there is none."""
        (row,) = await self._database.fetch(_sql("secret_by_id"), [user_id])
        return Credential(*row)

    async def passwords(self, user_ids: Iterable[str]) -> dict[str, str]:
        """The hash of each user's password; a user without one is absent."""
        return dict(await self._database.fetch(_sql("passwords_of"), [list(user_ids)]))

    async def signed_in(self, user_ids: Iterable[str]) -> set[str]:
        """Those of these users who have ever signed in."""
        streams = [logins_of(user_id) for user_id in user_ids]
        rows = await self._database.fetch(_sql("signed_in"), [streams]) if streams else []
        return {user_of(stream) for (stream,) in rows}

    async def holders(self, claims: Iterable[Claim]) -> dict[Claim, str]:
        """The user who holds each of the claims; a free one is absent."""
        keys = {self._ring.claim(*claim): claim for claim in claims}
        rows = await self._database.fetch(_sql("held_claims"), [list(keys)]) if keys else []
        return {keys[bytes(key)]: user_id for key, user_id in rows}

    async def attempt(self, user_id: str, digest: bytes) -> int | None:
        """Try a verification code, at most five times: the version of the user at which it was right, else None."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(_sql("attempt_code"), {"user_id": user_id, "most": _ATTEMPTS})
            row = await cursor.fetchone()
        return row[1] if row is not None and compare_digest(bytes(row[0]), digest) else None

    async def attempt_long(self, user_id: str, code: str) -> int | None:
        """Try a long verification code, as often as a caller likes: the version of the user at which it was right."""
        rows = await self._database.fetch(_sql("find_long_code"), {"user_id": user_id})
        if not rows:
            return None
        digest, long_digest, version = rows[0]
        expected = long_code_digest(self._ring, bytes(digest), code)
        return version if compare_digest(bytes(long_digest), expected) else None

    async def token(self, digest: bytes) -> tuple[str, int] | None:
        """The user of a reset token, and the version of the user at which it was right."""
        rows = await self._database.fetch(_sql("find_token"), [digest])
        return (rows[0][0], rows[0][1]) if rows else None

    async def session(self, session_id: str) -> StoredSession | None:
        """A live session, without its personal data."""
        rows = await self._database.fetch(_sql("find_session"), [session_id])
        return self._session(rows[0]) if rows else None

    async def sessions(self, user_id: str) -> list[StoredSession]:
        """The live sessions of a user, newest first, at most a thousand."""
        return [self._session(row) for row in await self._database.fetch(_sql("find_sessions"), [user_id])]

    async def begun(self, commands: Iterable[tuple[str, str]]) -> dict[tuple[str, str], StoredSession]:
        """By user and command id: the live sessions that were last begun or refreshed by these commands."""
        wanted = list(commands)
        users, ids = [user_id for user_id, _ in wanted], [command_id for _, command_id in wanted]
        rows = await self._database.fetch(_sql("find_begun"), [users, ids]) if wanted else []
        sessions = [self._session(row) for row in rows]
        return {(each.user_id, each.command_id): each for each in sessions if each.command_id is not None}

    async def refresh(
        self, session: StoredSession, command_id: str, at: datetime, expires_at: datetime, digest: bytes | None = None
    ) -> bool:
        """The next generation of a session; False where another request was first, or it has ended.

        `digest`: of the request, where its caller named the id, which is then kept with the outcomes of commands.
        Raises IdUsed where another command had the id.
        """
        parameters = {
            "session_id": session.session_id,
            "generation": session.generation,
            "command_id": command_id,
            "at": at,
            "expires_at": expires_at,
            "digest": digest,
        }
        try:
            async with self._database.connection() as connection:
                cursor = await connection.execute(_sql("refresh_session"), parameters)
                return await cursor.fetchone() is not None
        except psycopg.errors.UniqueViolation:
            raise IdUsed from None

    async def due_block_ends(self, after: tuple[datetime, str], most: int) -> list[tuple[str, datetime]]:
        """The users whose block has an end that has come, and this end; the oldest first, behind an end and user."""
        rows = await self._database.fetch(_sql("due_block_ends"), [*after, most])
        return [(user_id, ends_at) for user_id, ends_at in rows]

    async def forget_block_ends(self, ends: Sequence[tuple[str, datetime]]) -> None:
        """Drop the ends of blocks that are there no more."""
        users, times = [user_id for user_id, _ in ends], [ends_at for _, ends_at in ends]
        async with self._database.connection() as connection:
            await connection.execute(_sql("forget_block_ends"), [users, times])

    async def forget(self) -> int:
        """Drop what has expired; returns how much (a bounded number: call again while it is not 0)."""
        async with self._database.connection() as connection:
            row = await (await connection.execute(_sql("forget_secrets"))).fetchone()
        return int(row[0]) if row else 0

    def _session(self, row: ResultRow) -> StoredSession:
        session_id, user_id, place, salt, generation, command_id, *times, private, epoch, wrapped = row
        created_at, refreshed_at, expires_at = times
        opened = None
        if private is not None:
            opened = self._ring.unwrap(user_id, epoch, wrapped).decrypt(bytes(private), session_bound_to(session_id))
        return StoredSession(
            session_id=session_id,
            user_id=user_id,
            place=place,
            salt=bytes(salt),
            generation=generation,
            command_id=command_id,
            created_at=created_at,
            refreshed_at=refreshed_at,
            expires_at=expires_at,
            private=opened,
        )

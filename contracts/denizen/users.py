"""`client.auth.users`: create, find and change users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Unpack

from denizen.messages import Profile, Status, User, UserList
from denizen.transport import CommandOptions, Transport

Json = Mapping[str, Any]
PAGE = 500
"""Users that `iter_all` asks for at a time."""


class _Unset:
    """What an argument is that was not given: None already means "remove it"."""


UNSET: Final = _Unset()


class Users:
    """The users. Each method raises DenizenError; what every command takes besides is in `CommandOptions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # --- commands: each returns the user as the command left him ------------------------------------------------

    async def create(
        self,
        *,
        email: str,
        email_verified: bool = False,
        external_id: str | None = None,
        profile: Json | Profile | None = None,
        metadata: Json | None = None,
        app_metadata: Json | None = None,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Create a user. `profile` has camelCase keys, as on the wire. Raises EmailTaken, ExternalIdTaken."""
        body: dict[str, Any] = {"email": email, "emailVerified": email_verified}
        if external_id is not None:
            body["externalId"] = external_id
        return await self._change("CreateUser", body | _sections(profile, metadata, app_metadata), options)

    async def update(
        self,
        user_id: str,
        *,
        profile: Json | Profile | None = None,
        metadata: Json | None = None,
        app_metadata: Json | None = None,
        external_id: str | _Unset | None = UNSET,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Change what is given. The sections merge at their top level: a key of None is removed, absent ones stay.

        `external_id=None` removes it. Raises UserNotFound, ExternalIdTaken.
        """
        body = {"userId": user_id} | _sections(profile, metadata, app_metadata)
        if not isinstance(external_id, _Unset):
            body["externalId"] = external_id
        return await self._change("UpdateUser", body, options)

    async def block(self, user_id: str, *, reason: str | None = None, **options: Unpack[CommandOptions]) -> User:
        """Block a user, whatever his status. The reason is kept encrypted. Raises UserNotFound."""
        body = {"userId": user_id} if reason is None else {"userId": user_id, "reason": reason}
        return await self._change("BlockUser", body, options)

    async def unblock(self, user_id: str, **options: Unpack[CommandOptions]) -> User:
        """Return a blocked user to what he was. Raises UserNotFound, InvalidTransition."""
        return await self._change("UnblockUser", {"userId": user_id}, options)

    async def deactivate(self, user_id: str, **options: Unpack[CommandOptions]) -> User:
        """Deactivate a user, whatever his status. Raises UserNotFound."""
        return await self._change("DeactivateUser", {"userId": user_id}, options)

    async def reactivate(self, user_id: str, **options: Unpack[CommandOptions]) -> User:
        """Return a deactivated user to what he was. Raises UserNotFound, InvalidTransition."""
        return await self._change("ReactivateUser", {"userId": user_id}, options)

    async def _change(self, command: str, body: Json, options: CommandOptions) -> User:
        return User.model_validate((await self._transport.command(command, body, options))["user"])

    # --- queries: they show at least what this client has written and read --------------------------------------

    async def get(self, user_id: str, *, timeout: float | None = None) -> User:
        """A user by id. Raises UserNotFound."""
        return await self._find("GetUser", {"userId": user_id}, timeout)

    async def get_by_email(self, email: str, *, timeout: float | None = None) -> User:
        """A user by e-mail address, in any case. Raises UserNotFound."""
        return await self._find("GetUserByEmail", {"email": email}, timeout)

    async def get_by_external_id(self, external_id: str, *, timeout: float | None = None) -> User:
        """A user by the id that your system gave him. Raises UserNotFound."""
        return await self._find("GetUserByExternalId", {"externalId": external_id}, timeout)

    async def _find(self, query: str, body: Json, timeout: float | None) -> User:
        return User.model_validate_json(await self._transport.query(query, body, timeout))

    async def list(
        self, *, count: int = 50, offset: int = 0, status: Status | None = None, timeout: float | None = None
    ) -> UserList:
        """A page of at most 500 users, newest first, and how many there are in all."""
        body: dict[str, Any] = {"count": count, "offset": offset}
        if status is not None:
            body["status"] = status
        return UserList.model_validate_json(await self._transport.query("ListUsers", body, timeout))

    async def iter_all(self, *, status: Status | None = None) -> AsyncIterator[User]:
        """All users, newest first, page by page; who is created meanwhile may make one appear twice."""
        offset = 0
        while page := await self.list(count=PAGE, offset=offset, status=status):
            for user in page:
                yield user
            offset += PAGE


def _sections(profile: Json | Profile | None, metadata: Json | None, app_metadata: Json | None) -> dict[str, Any]:
    if isinstance(profile, Profile):
        profile = profile.model_dump(by_alias=True, exclude_unset=True)
    sections = {"profile": profile, "metadata": metadata, "appMetadata": app_metadata}
    return {name: section for name, section in sections.items() if section is not None}

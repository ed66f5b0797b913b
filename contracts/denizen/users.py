"""`client.auth.users`: create, find and change users. Long, because each request is one method here (decision 47)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack

from denizen import arguments
from denizen.blocking import Blocking, blocking
from denizen.exporting import ExportOptions, FilePiece, end, first_piece, next_piece
from denizen.json_objects import JsonObject
from denizen.messages import IdentityList, LoginHistory, OnConflict, Profile, Sort, Status, User, UserHistory, UserList
from denizen.transport import CommandOptions, Transport
from denizen.undoing import UndoSummary, undo
from denizen.user_fields import UNSET, Unset, sections, with_changes

if TYPE_CHECKING:  # Most services never import users (decision 49).
    from denizen.import_results import ImportResult, ImportSummary
    from denizen.importing import Format, Preset
    from denizen.importing.reading import Source
    from denizen.importing.without_hashes import WithoutHashes
    from denizen.transfer import VerifiedAddresses

PAGE = 500
"""Users that `iter_all` asks for at a time."""


class Users:
    """The users. Each method raises DenizenError; what every command takes besides is in `CommandOptions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # --- commands: each returns the user after the command --------------------------------------------------

    async def create(
        self,
        *,
        email: str,
        password: str | None = None,
        password_hash: str | None = None,
        email_verified: bool = False,
        external_id: str | None = None,
        profile: JsonObject | Profile | None = None,
        metadata: JsonObject | None = None,
        app_metadata: JsonObject | None = None,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Create a user. `profile` has camelCase keys, as on the wire.

        `password_hash`: of another system, instead of a password; `password="hashed:$2b$…"` says the same.
        Raises EmailTaken, ExternalIdTaken, WeakPassword.
        """
        body: dict[str, Any] = {"email": email, "emailVerified": email_verified}
        given = {"externalId": external_id, "password": password, "passwordHash": password_hash}
        body |= {name: value for name, value in given.items() if value is not None}
        return await self._change("CreateUser", body | sections(profile, metadata, app_metadata), options)

    async def update(
        self,
        user_id: str,
        changes: JsonObject | None = None,
        *,
        profile: JsonObject | Profile | None = None,
        metadata: JsonObject | None = None,
        app_metadata: JsonObject | None = None,
        external_id: str | Unset | None = UNSET,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Change what is given. The sections merge at their top level: a key of None is removed, absent ones stay.

        `changes` has the fields by their names on the wire (`{"profile": {…}, "appMetadata": {…}}`); a field is given
        there or by its own argument. `external_id=None` removes it. Raises UserNotFound, ExternalIdTaken.
        """
        body = {"userId": user_id} | sections(profile, metadata, app_metadata)
        if not isinstance(external_id, Unset):
            body["externalId"] = external_id
        return await self._change("UpdateUser", with_changes(body, changes), options)

    async def block(
        self,
        user_id: str,
        *,
        reason: str | None = None,
        until: datetime | str | None = None,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Block a user, whatever the status. The reason is kept encrypted. Raises UserNotFound, ValidationFailed.

        `until`: when the block ends by itself, with a time zone, or as text (RFC 3339); None: only `unblock` ends it.
        """
        body = {"userId": user_id}
        if reason is not None:
            body["reason"] = reason
        if until is not None:
            body["until"] = until if isinstance(until, str) else arguments.timestamp("until", until)
        return await self._change("BlockUser", body, options)

    async def unblock(self, user_id: str, **options: Unpack[CommandOptions]) -> User:
        """Return a blocked user to the status before. Raises UserNotFound, InvalidTransition."""
        return await self._change("UnblockUser", {"userId": user_id}, options)

    async def deactivate(self, user_id: str, **options: Unpack[CommandOptions]) -> User:
        """Deactivate a user, whatever the status. Raises UserNotFound."""
        return await self._change("DeactivateUser", {"userId": user_id}, options)

    async def reactivate(self, user_id: str, **options: Unpack[CommandOptions]) -> User:
        """Return a deactivated user to the status before. Raises UserNotFound, InvalidTransition."""
        return await self._change("ReactivateUser", {"userId": user_id}, options)

    async def delete(self, user_id: str, **options: Unpack[CommandOptions]) -> None:
        """Erase a user: their personal data in the log cannot be read any more. Raises UserNotFound."""
        await self._transport.command("DeleteUser", {"userId": user_id}, options)

    # --- commands about passwords and addresses -----------------------------------------------------------------

    async def register(
        self,
        *,
        email: str,
        password: str,
        profile: JsonObject | Profile | None = None,
        **options: Unpack[CommandOptions],
    ) -> User | None:
        """Register a person. Returns None where Denizen is set to be discreet. Raises EmailTaken, WeakPassword."""
        body = {"email": email, "password": password} | sections(profile, None, None)
        user = (await self._transport.command("Register", body, options)).get("user")
        return None if user is None else User.model_validate(user)

    async def change_email(self, user_id: str, email: str, **options: Unpack[CommandOptions]) -> User:
        """Send a code to a new address; `verify_email` with it makes the address the user's. Raises EmailTaken."""
        return await self._change("ChangeEmail", {"userId": user_id, "email": email}, options)

    async def send_verification_email(self, user_id: str, **options: Unpack[CommandOptions]) -> User | None:
        """Send a code to the address that is to be verified. None for a front end, which is not shown the user.

        Raises InvalidTransition, TooManyAttempts.
        """
        user = (await self._transport.command("SendVerificationEmail", {"userId": user_id}, options)).get("user")
        return None if user is None else User.model_validate(user)

    async def verify_email(self, user_id: str, *, code: str, **options: Unpack[CommandOptions]) -> User:
        """Verify an address by the code or the long code of the mail. Raises CodeInvalid, TooManyAttempts."""
        return await self._change("VerifyEmail", {"userId": user_id, "code": code}, options)

    async def change_password(
        self, user_id: str, *, current_password: str, new_password: str, **options: Unpack[CommandOptions]
    ) -> User:
        """Change a password by the current one; every session ends. Raises InvalidCredentials, WeakPassword."""
        body = {"userId": user_id, "currentPassword": current_password, "newPassword": new_password}
        return await self._change("ChangePassword", body, options)

    async def reset_password(
        self, user_id: str, *, password: str, require_change: bool = False, **options: Unpack[CommandOptions]
    ) -> User:
        """Set a password; every session ends. Raises UserNotFound, WeakPassword."""
        body = {"userId": user_id, "password": password, "requireChange": require_change}
        return await self._change("ResetPassword", body, options)

    async def send_password_reset_email(self, email: str, **options: Unpack[CommandOptions]) -> None:
        """Mail a token by which the password can be set. Does not reveal whether a user has the address."""
        await self._transport.command("SendPasswordResetEmail", {"email": email}, options)

    async def confirm_password_reset(self, *, token: str, password: str, **options: Unpack[CommandOptions]) -> User:
        """Set a password by the token that was mailed; every session ends. Raises TokenInvalid, WeakPassword."""
        return await self._change("ConfirmPasswordReset", {"token": token, "password": password}, options)

    # --- commands about linked accounts -------------------------------------------------------------------------

    async def link_identity(
        self,
        user_id: str,
        *,
        provider: str,
        provider_id: str,
        access_token: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Link an account at another provider. The access token is not kept. Raises IdentityTaken."""
        body = {"userId": user_id, "provider": provider, "providerId": provider_id}
        if access_token is not None:
            body["accessToken"] = access_token
        return await self._change("LinkIdentity", body, options)

    async def unlink_identity(
        self, user_id: str, *, provider: str, provider_id: str, **options: Unpack[CommandOptions]
    ) -> User:
        """Unlink an account, which is free at once. Raises IdentityNotFound."""
        body = {"userId": user_id, "provider": provider, "providerId": provider_id}
        return await self._change("UnlinkIdentity", body, options)

    async def _change(self, command: str, body: JsonObject, options: CommandOptions) -> User:
        reply = await self._transport.command(command, body, options)
        return User.model_validate(reply["user"])

    # --- queries: they show at least what this client has written and read --------------------------------------

    async def get(self, user_id: str, *, as_of: datetime | None = None, timeout: float | None = None) -> User:
        """A user by id, or as of a time (with its zone). Raises UserNotFound."""
        body = (
            {"userId": user_id} if as_of is None else {"userId": user_id, "asOf": arguments.timestamp("as_of", as_of)}
        )
        return await self._find("GetUser", body, timeout)

    async def get_by_email(self, email: str, *, timeout: float | None = None) -> User:
        """A user by e-mail address, in any case. Raises UserNotFound."""
        return await self._find("GetUserByEmail", {"email": email}, timeout)

    async def get_by_external_id(self, external_id: str, *, timeout: float | None = None) -> User:
        """A user by the id that your system gave them. Raises UserNotFound."""
        return await self._find("GetUserByExternalId", {"externalId": external_id}, timeout)

    async def _find(self, query: str, body: JsonObject, timeout: float | None) -> User:
        return User.model_validate_json(await self._transport.query(query, body, timeout))

    async def list(
        self,
        *,
        count: int = 50,
        offset: int | None = None,
        cursor: str | None = None,
        status: Status | None = None,
        search: str | None = None,
        sort: Sort = "-createdAt",
        timeout: float | None = None,
    ) -> UserList:
        """A page of at most 500 users, and how many there are in all; `next_cursor` leads to the next page.

        `search`: words, each part of the e-mail address or of a name, whatever its case and accents; who has exactly
        this address or external id comes first. With a cursor all but `count` must be as for the page before. A page
        can end before it is full: go by `next_cursor`, or let `iter_all` do it. By offsets, add `len(page)`, never
        `count`: users of 16 KB of metadata fill a message before 100 of them do (`page.truncated`).
        """
        body: dict[str, Any] = {"count": count, "sort": sort}
        given = {"offset": offset, "cursor": cursor, "status": status, "search": search}
        body |= {name: value for name, value in given.items() if value is not None}
        return UserList.model_validate_json(await self._transport.query("ListUsers", body, timeout))

    async def list_identities(self, user_id: str, *, timeout: float | None = None) -> IdentityList:
        """The linked accounts of a user. Raises UserNotFound."""
        return IdentityList.model_validate_json(
            await self._transport.query("ListIdentities", {"userId": user_id}, timeout)
        )

    async def history(
        self, user_id: str, *, count: int = 100, cursor: str | None = None, timeout: float | None = None
    ) -> UserHistory:
        """The changes of a user, newest first; `next_cursor` leads to the next page. Raises UserNotFound."""
        body: dict[str, Any] = {"userId": user_id, "count": count}
        if cursor is not None:
            body["cursor"] = cursor
        return UserHistory.model_validate_json(await self._transport.query("GetUserHistory", body, timeout))

    async def login_history(
        self, user_id: str, *, count: int = 50, cursor: str | None = None, timeout: float | None = None
    ) -> LoginHistory:
        """Attempts to sign in, newest first; `next_cursor` of the page leads to the next."""
        body: dict[str, Any] = {"userId": user_id, "count": count}
        if cursor is not None:
            body["cursor"] = cursor
        return LoginHistory.model_validate_json(await self._transport.query("GetLoginHistory", body, timeout))

    # --- many at a time -----------------------------------------------------------------------------------------

    async def import_users(
        self,
        source: Source,
        *,
        format: Format | None = None,
        preset: str | Preset | None = None,
        dry_run: bool = False,
        on_conflict: OnConflict = "fail",
        import_id: str | None = None,
        on_result: Callable[[ImportResult], None] | None = None,
        on_progress: Callable[[ImportSummary], None] | None = None,
        told: int = 0,
        verified: VerifiedAddresses = "as-given",
        without_hashes: WithoutHashes = "none",
    ) -> ImportSummary:
        """Import users: from a file (JSONL, a JSON array, CSV, gzipped or not), or from anything that yields dicts.

        preset: the system that the file comes from (`auth0`, `keycloak`, `supabase`, `clerk`, `django`, `firebase`).
        dry_run: check all, change nothing.
        on_conflict: what to do with a row whose address a user has already: `fail`, `skip`, or `update`.
        import_id: names the job; the same source under the same name goes on where it stopped, within 24 h.
        on_result: called with each row's result; on_progress: after each chunk.
        told: how many results an earlier run of the job has told; they are not told again.
        verified: whether the addresses count as verified: `all`, `none`, or as each row says.
        without_hashes: whose password hash is left out, so that they reset the password by mail: `none`, `unsupported`
            (those whose hash Denizen cannot take; else their row is refused), or `all`.

        A bad row stops no other. Raises DenizenError where Denizen is away for five minutes, OSError, ValueError.
        """
        from denizen.transfer import Import

        job = Import(
            self._transport,
            import_id=import_id,
            dry_run=dry_run,
            on_conflict=on_conflict,
            on_result=on_result,
            on_progress=on_progress,
            told=told,
            verified=verified,
            without_hashes=without_hashes,
        )
        return await job.run(source, format, preset)

    async def undo_import(
        self, import_id: str, *, on_progress: Callable[[UndoSummary], None] | None = None
    ) -> UndoSummary:
        """Erase the users that an import created and that no one has used or changed since; the others stay.

        Only the NATS user `operator` may. Interrupted, it can be called again and goes on.

        on_progress: called after each step.

        Raises DenizenError.
        """
        return await undo(self._transport, import_id, on_progress)

    async def export(self, **options: Unpack[ExportOptions]) -> AsyncGenerator[FilePiece]:
        """A file of all users that match, as they were at one position of the log, piece by piece.

        If you stop before its end, close it (contextlib.aclosing), so that the service lets go of its snapshot at once.
        """
        piece: FilePiece | None = None
        try:
            while piece is None or piece.follows is not None:
                piece = await self.export_piece(piece, options)
                yield piece
        finally:
            if piece is not None:
                await self.export_end(piece)

    async def export_piece(self, after: FilePiece | None, options: ExportOptions) -> FilePiece:
        """The first piece of an export, or the one after another. Raises DenizenError."""
        return await (first_piece(self._transport, options) if after is None else next_piece(self._transport, after))

    async def export_end(self, after: FilePiece) -> None:
        """Ask for no piece after this one."""
        await end(self._transport, after)

    async def iter_all(
        self, *, status: Status | None = None, search: str | None = None, sort: Sort = "-createdAt"
    ) -> AsyncIterator[User]:
        """All users, page by page: each remaining one appears once, whatever is created or erased meanwhile."""
        cursor: str | None = None
        while True:
            page = await self.list(count=PAGE, cursor=cursor, status=status, search=search, sort=sort)
            for user in page:
                yield user
            if (cursor := page.next_cursor) is None:
                return


class BlockingUsers(Blocking[Users]):
    """`Users`, each call waiting for its result."""

    create = blocking(Users.create)
    update = blocking(Users.update)
    block = blocking(Users.block)
    unblock = blocking(Users.unblock)
    deactivate = blocking(Users.deactivate)
    reactivate = blocking(Users.reactivate)
    delete = blocking(Users.delete)
    register = blocking(Users.register)
    change_email = blocking(Users.change_email)
    send_verification_email = blocking(Users.send_verification_email)
    verify_email = blocking(Users.verify_email)
    change_password = blocking(Users.change_password)
    reset_password = blocking(Users.reset_password)
    send_password_reset_email = blocking(Users.send_password_reset_email)
    confirm_password_reset = blocking(Users.confirm_password_reset)
    get = blocking(Users.get)
    get_by_email = blocking(Users.get_by_email)
    get_by_external_id = blocking(Users.get_by_external_id)
    list = blocking(Users.list)
    history = blocking(Users.history)
    login_history = blocking(Users.login_history)
    link_identity = blocking(Users.link_identity)
    unlink_identity = blocking(Users.unlink_identity)
    list_identities = blocking(Users.list_identities)
    import_users = blocking(Users.import_users)
    undo_import = blocking(Users.undo_import)
    _export_piece = blocking(Users.export_piece)
    _export_end = blocking(Users.export_end)

    def export(self, **options: Unpack[ExportOptions]) -> Generator[FilePiece]:
        """As `Users.export`; `contextlib.closing` closes it."""
        piece: FilePiece | None = None
        try:
            while piece is None or piece.follows is not None:
                piece = self._export_piece(piece, options)
                yield piece
        finally:
            if piece is not None and self._thread.is_alive():
                self._export_end(piece)

    def iter_all(
        self, *, status: Status | None = None, search: str | None = None, sort: Sort = "-createdAt"
    ) -> Iterator[User]:
        """As `Users.iter_all`."""
        cursor: str | None = None
        while True:
            page = self.list(count=PAGE, cursor=cursor, status=status, search=search, sort=sort)
            yield from page
            if (cursor := page.next_cursor) is None:
                return

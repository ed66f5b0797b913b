"""`client.auth.sessions`: sign in, refresh, end sessions; `client.auth.me(token)`: what a signed-in user may do."""

from __future__ import annotations

from typing import Any, Unpack

from denizen import arguments
from denizen.blocking import Blocking, blocking
from denizen.json_objects import JsonObject
from denizen.messages import IdentityList, LoginHistory, Profile, SessionList, SignedIn, TokenFacts, User, origin
from denizen.transport import CommandOptions, Transport
from denizen.user_fields import sections, with_changes


class Sessions:
    """Signs users in, refreshes and ends sessions. Each method raises DenizenError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def authenticate(
        self,
        *,
        email: str,
        password: str,
        ip: str | None = None,
        user_agent: str | None = None,
        earlier_token: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> SignedIn:
        """Sign in.

        Args:
            ip: the network address of the user: guessing is limited by it, and the login history shows it.
            earlier_token: an access token of an earlier session of this user, which may have expired or ended. With it
                the user gets in while others guess the password.

        Raises InvalidCredentials, EmailNotVerified, UserBlocked, UserDeactivated, PasswordChangeRequired,
        TooManyAttempts.
        """
        body = {"email": email, "password": password, "ip": ip, "userAgent": _clean(user_agent)}
        given = {name: value for name, value in body.items() if value is not None}
        if earlier_token is not None:
            arguments.text("earlier_token", earlier_token)
        return SignedIn.model_validate(
            await self._transport.command("Authenticate", given, options, proof=earlier_token)
        )

    async def refresh(self, refresh_token: str, **options: Unpack[CommandOptions]) -> SignedIn:
        """Exchange the refresh token for new tokens. Raises TokenInvalid."""
        body = {"refreshToken": refresh_token}
        return SignedIn.model_validate(await self._transport.command("RefreshSession", body, options))

    async def list(self, user_id: str, *, timeout: float | None = None) -> SessionList:
        """The live sessions of a user, newest first. Raises UserNotFound."""
        return SessionList.model_validate_json(
            await self._transport.query("ListSessions", {"userId": user_id}, timeout)
        )

    async def revoke(self, user_id: str, session_id: str, **options: Unpack[CommandOptions]) -> User:
        """End a session; harmless where it has ended. Raises UserNotFound."""
        body = {"userId": user_id, "sessionId": session_id}
        return User.model_validate((await self._transport.command("RevokeSession", body, options))["user"])

    async def revoke_all(self, user_id: str, **options: Unpack[CommandOptions]) -> User:
        """End every session of a user. Raises UserNotFound."""
        return User.model_validate(
            (await self._transport.command("RevokeSessions", {"userId": user_id}, options))["user"]
        )

    async def verify(self, token: str, *, timeout: float | None = None) -> TokenFacts:
        """Ask whether an access token is good; `denizen.TokenVerifier` knows it by itself. Raises TokenInvalid."""
        return TokenFacts.model_validate_json(await self._transport.query("VerifyToken", {"token": token}, timeout))


class Me:
    """Acts for a signed-in user, by their access token. Each method raises Unauthenticated, TokenInvalid."""

    def __init__(self, transport: Transport, token: str) -> None:
        self._transport = transport
        self._token = arguments.text("access_token", token)

    async def get(self, *, timeout: float | None = None) -> User:
        """The user."""
        return User.model_validate_json(await self._transport.query("GetMe", {}, timeout, token=self._token))

    async def update(
        self,
        changes: JsonObject | None = None,
        *,
        profile: JsonObject | Profile | None = None,
        metadata: JsonObject | None = None,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Change profile or metadata, as `Users.update`."""
        return await self._change("UpdateUser", with_changes(sections(profile, metadata, None), changes), options)

    async def change_email(
        self, email: str, *, current_password: str | None = None, **options: Unpack[CommandOptions]
    ) -> User:
        """Send a code to a new address. A user with a password must give it. Raises EmailTaken, InvalidCredentials."""
        return await self._change("ChangeEmail", {"email": email} | _proof(current_password), options)

    async def change_password(
        self, *, current_password: str, new_password: str, **options: Unpack[CommandOptions]
    ) -> User:
        """Every session ends, this one too. Raises InvalidCredentials, WeakPassword."""
        body = {"currentPassword": current_password, "newPassword": new_password}
        return await self._change("ChangePassword", body, options)

    async def list_sessions(self, *, timeout: float | None = None) -> SessionList:
        """The user's live sessions, newest first; one of them is `current`."""
        return SessionList.model_validate_json(
            await self._transport.query("ListSessions", {}, timeout, token=self._token)
        )

    async def revoke_session(self, session_id: str, **options: Unpack[CommandOptions]) -> User:
        """End one of the user's sessions."""
        return await self._change("RevokeSession", {"sessionId": session_id}, options)

    async def log_out(self, **options: Unpack[CommandOptions]) -> User:
        """End this session."""
        return await self._change("LogOut", {}, options)

    async def login_history(
        self, *, count: int = 50, cursor: str | None = None, timeout: float | None = None
    ) -> LoginHistory:
        """The user's attempts to sign in, newest first."""
        body: dict[str, Any] = {"count": count} if cursor is None else {"count": count, "cursor": cursor}
        return LoginHistory.model_validate_json(
            await self._transport.query("GetLoginHistory", body, timeout, token=self._token)
        )

    async def list_identities(self, *, timeout: float | None = None) -> IdentityList:
        """The user's linked accounts."""
        return IdentityList.model_validate_json(
            await self._transport.query("ListIdentities", {}, timeout, token=self._token)
        )

    async def link_identity(
        self,
        *,
        provider: str,
        provider_id: str,
        current_password: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Link the user's account at another provider. Raises IdentityTaken, and what `delete` raises."""
        body = {"provider": provider, "providerId": provider_id} | _proof(current_password)
        return await self._change("LinkIdentity", body, options)

    async def unlink_identity(
        self,
        *,
        provider: str,
        provider_id: str,
        current_password: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> User:
        """Unlink the user's account at another provider. Raises IdentityNotFound, and what `delete` raises."""
        body = {"provider": provider, "providerId": provider_id} | _proof(current_password)
        return await self._change("UnlinkIdentity", body, options)

    async def delete(self, *, current_password: str | None = None, **options: Unpack[CommandOptions]) -> None:
        """Erase the user. Raises Forbidden where the session is not recent and no password is given.

        Raises InvalidCredentials and TooManyAttempts, where the password is not right.
        """
        await self._transport.command("DeleteUser", _proof(current_password), options, token=self._token)

    async def _change(self, command: str, body: JsonObject, options: CommandOptions) -> User:
        reply = await self._transport.command(command, body, options, token=self._token)
        return User.model_validate(reply["user"])


def _clean(user_agent: str | None) -> str | None:
    """A user agent that JSON and UTF-8 can hold: a browser's octets come as half surrogate pairs from some servers."""
    if user_agent is None:
        return None
    return origin.user_agent(arguments.text("user_agent", user_agent).encode(errors="replace").decode())


def _proof(current_password: str | None) -> dict[str, str]:
    return {} if current_password is None else {"currentPassword": current_password}


class BlockingSessions(Blocking[Sessions]):
    """`Sessions`, each call waiting for its result."""

    authenticate = blocking(Sessions.authenticate)
    refresh = blocking(Sessions.refresh)
    list = blocking(Sessions.list)
    revoke = blocking(Sessions.revoke)
    revoke_all = blocking(Sessions.revoke_all)
    verify = blocking(Sessions.verify)


class BlockingMe(Blocking[Me]):
    """`Me`, each call waiting for its result."""

    get = blocking(Me.get)
    update = blocking(Me.update)
    change_email = blocking(Me.change_email)
    change_password = blocking(Me.change_password)
    list_sessions = blocking(Me.list_sessions)
    revoke_session = blocking(Me.revoke_session)
    log_out = blocking(Me.log_out)
    login_history = blocking(Me.login_history)
    list_identities = blocking(Me.list_identities)
    link_identity = blocking(Me.link_identity)
    unlink_identity = blocking(Me.unlink_identity)
    delete = blocking(Me.delete)

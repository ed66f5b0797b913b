"""Connections to NATS, each under the user that may do no more than it needs (deploy/nats/)."""

import logging
from typing import Any, Literal

from denizen.connection import DENIED, NatsConnection, OnUnreadable, opened, trusting
from nats.aio.client import Client
from nats.errors import Error

from services.platform import process, startup
from services.platform.settings import Settings

log = logging.getLogger(__name__)

OwnNatsUser = Literal["responder", "registrar", "signal", "relay", "revoker"]


def _options(settings: Settings, user: OwnNatsUser) -> dict[str, Any]:
    """The options of a connection."""
    where = ", ".join(url.rpartition("@")[2].rpartition("/")[2] for url in (settings.nats_url or "").split(","))
    password = {
        "responder": settings.nats_responder_password,
        "registrar": settings.nats_registrar_password,
        "signal": settings.nats_signal_password,
        "relay": settings.nats_relay_password,
        "revoker": settings.nats_revoker_password,
    }[user]

    async def failed(error: Exception) -> None:
        log.warning("nats_error", extra={"user": user, "error": type(error).__name__})
        if (denied := DENIED.search(str(error))) and denied[1].lower() == "subscription":
            # It would be deaf, and say that it is ready.
            startup.fail(f"the NATS user {user} may not subscribe to {denied[2]} (deploy/nats/accounts.conf)")
        if isinstance(error, OSError):
            startup.waiting(f"NATS is not reachable at {where}: {error.strerror or 'it does not answer in time'}")

    async def disconnected() -> None:
        log.warning("nats_disconnected", extra={"user": user})

    async def reconnected() -> None:
        log.info("nats_reconnected", extra={"user": user})

    async def closed() -> None:
        # nats-py takes some errors as final (authorization, too many connections): the connection never comes back.
        process.give_up(f"the connection of {user} to NATS was closed")

    return {
        "user": user,
        "password": password.get_secret_value() if password else None,
        "inbox_prefix": f"_INBOX.{user}",
        "name": f"denizen {user}",
        # By default nats-py gives up after 60 tries; ours must come back whenever the server does.
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.25,
        "ping_interval": 5,
        "max_outstanding_pings": 2,
        "connect_timeout": 2,
        "drain_timeout": 10,
        "error_cb": failed,
        "disconnected_cb": disconnected,
        "reconnected_cb": reconnected,
        "closed_cb": closed,
        "tls": trusting(settings.nats_ca) if settings.nats_ca else None,
    }


async def connect(settings: Settings, user: OwnNatsUser, unreadable: OnUnreadable | None = None) -> NatsConnection:
    """A connection under one of our users, tried until a server lets it in. Needs `settings.nats_url`.

    `unreadable` is told the reply subjects of messages that cannot be read. Raises TlsFailed, NatsLoginRefused.
    """
    if settings.nats_url is None:
        raise ValueError("DENIZEN_NATS_URL is not set")
    # The registrar's requests share the event loop of the relay, which publishes: a flood of them must not hold it up.
    takes_turns = user == "registrar"
    options = _options(settings, user)
    connection = await opened(settings.nats_url.split(","), options, unreadable=unreadable, takes_turns=takes_turns)
    startup.waiting(None)
    return connection


async def disconnect(client: Client) -> None:
    """Send what is still in the buffer, and close; where the server is away, just close."""
    try:
        await client.drain()
    except Error:
        await client.close()

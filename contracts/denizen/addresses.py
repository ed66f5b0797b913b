"""Addresses of NATS servers: `nats://host:port`, `tls://`, `ws://` and `wss://`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from denizen import arguments

_DEFAULT = "nats://127.0.0.1:4222"
SECURE = {"nats": "tls", "tls": "tls", "ws": "wss", "wss": "wss"}
"""The schemes of addresses, and each one's with TLS."""


def addresses(servers: str | Sequence[str] | None) -> list[str]:
    """The servers to connect to: by default those of $DENIZEN_NATS_URL, else this machine's. Raises ValueError."""
    found = servers or (os.environ.get("DENIZEN_NATS_URL") or _DEFAULT).split(",")
    return [address(server) for server in ([found] if isinstance(found, str) else arguments.texts("servers", found))]


def address(server: str) -> str:
    """An address with its scheme in lower case; without one it is `nats`. Raises ValueError."""
    scheme, separator, rest = server.strip().rpartition("://")
    scheme = scheme.lower() if separator else "nats"
    if scheme not in SECURE:
        raise ValueError("servers: an address is not nats://host:port, tls://host:port, ws:// or wss://")
    found = f"{scheme}://{rest}"
    try:
        urlsplit(found).port  # noqa: B018 - looked at for its error
    except ValueError:
        raise ValueError("servers: the port of an address is not a number from 0 to 65535") from None
    return found

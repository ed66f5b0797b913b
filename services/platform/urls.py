"""The addresses of servers that settings name; what is wrong is told without quoting them, for they hold passwords."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_PORT = re.compile(r"\s*\+?0*([1-9][0-9]{0,4})\s*", re.ASCII)
"""A port as libpq reads it: 0 is none."""


def postgres(address: str) -> None:
    """Look at an address of PostgreSQL as libpq has it, a URL or `host=… dbname=…`. Raises ValueError."""
    from psycopg import ProgrammingError  # Only here: it takes longer than all other settings together.
    from psycopg.conninfo import conninfo_to_dict

    try:
        ports = str(conninfo_to_dict(address).get("port") or "")
    except ProgrammingError:
        ports = "none"
    found = [_PORT.fullmatch(port) for port in ports.split(",") if port]
    if not all(port and int(port[1]) < 65536 for port in found):
        raise ValueError("is not postgresql://user:password@host:port/database, nor anything else that libpq takes")


def smtp(url: str) -> SplitResult:
    """`smtps://user:password@host:465`, the parts before the @ percent-encoded. Raises ValueError."""
    parts = _split(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("is not smtp://host:port or smtps://host:port")
    return parts


def nats(urls: str) -> None:
    """Look at the addresses of a NATS cluster, with commas between them. Raises ValueError.

    nats-py takes one without a scheme, and whatever it does not know as a host's name, which it then looks up
    for ever. Its `ws` and `wss` need aiohttp, which we do not have.
    """
    for url in urls.split(","):
        known = url.lstrip() if "://" in url else f"nats://{url}"
        if not known.startswith(("nats://", "tls://")) or not _split(known).hostname:
            raise ValueError("is not nats://host:port or tls://host:port, or several with commas between them")


def websocket(url: str) -> SplitResult:
    """Parse the address of a WebSocket listener. Raises ValueError."""
    parts = _split(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or "@" in parts.netloc:  # `denizen doctor` prints it.
        raise ValueError("is not wss://host:port or ws://host:port")
    return parts


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(address: str) -> tuple[str, int]:
    """The host and the port of an address to listen on, such as `127.0.0.1:4223`, `[::1]:4223`. Raises ValueError."""
    parts = _split(f"//{address}")
    if not parts.hostname or parts.port is None or parts.netloc != address or "@" in address:
        raise ValueError("is not host:port")
    return parts.hostname, parts.port


def origins(texts: str) -> tuple[str, ...]:
    """The origins of pages (RFC 6454), with commas between them in the text. Raises ValueError."""
    found = tuple(each.strip() for each in texts.split(","))
    hosts = set[str]()
    for origin in found:
        parts = _split(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError("is not https://host or http://host:port, or several with commas between them")
        if parts.hostname in hosts:
            # nats-server keeps them by host: the last one would be taken, and the others refused.
            raise ValueError("names a host twice: nats-server takes one origin for each host")
        hosts.add(parts.hostname)
    return found


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    return parts

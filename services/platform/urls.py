"""The addresses of servers that settings name; what is wrong is told without quoting them, for they hold passwords."""

from urllib.parse import SplitResult, urlsplit


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


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    return parts

"""The WebSocket listener of NATS, as a page in a browser meets it."""

import asyncio
import base64
import os
import re
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import SplitResult

from denizen.connection import trusting

from services.doctor.database import PATIENCE_SECONDS
from services.doctor.finding import Report, Wanting
from services.platform import urls
from services.platform.settings import Settings

_ELSEWHERE = "https://denizen-doctor.invalid"
"""The origin of a page that no listener should take."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_WITHOUT_LOGIN = b'CONNECT {"verbose":false}\r\nPING\r\n'


async def check(settings: Settings) -> Report:
    """It has TLS outside loopback, takes no page of another origin, and lets no client in without a login."""
    if settings.nats_websocket_url is None:
        return Report("no WebSocket listener is configured")
    parts = urls.websocket(settings.nats_websocket_url)
    if parts.scheme == "ws" and not urls.is_loopback(parts.hostname or ""):
        raise Wanting("browsers send passwords to it without TLS: give it a certificate, and pages its wss:// address")
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            if await _takes_origin(settings, parts):
                raise Wanting("it takes pages of every origin: set allowed_origins in nats-server's block websocket")
            if await _takes_without_login(settings, parts):
                raise Wanting(
                    "it lets every page in, as the user in no_auth_user: remove no_auth_user, or bring accounts.conf "
                    "up to date, which binds that user to plain connections"
                )
    except (OSError, TimeoutError) as error:
        reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
        raise Wanting(f"{parts.netloc} is out of reach: {reason or 'it does not answer in time'}") from error
    return Report(f"{parts.scheme}://{parts.netloc} asks for a login, and refuses pages of other origins")


async def _takes_origin(settings: Settings, parts: SplitResult) -> bool:
    async with _upgraded(settings, parts, f"Origin: {_ELSEWHERE}\r\n") as (status, _, _):
        return status == "101"


async def _takes_without_login(settings: Settings, parts: SplitResult) -> bool:
    async with _upgraded(settings, parts, "") as (status, reader, writer):
        if status != "101":
            raise Wanting(f"it answers {status or 'no HTTP'} to a WebSocket: is it nats-server's listener?")
        # One frame (RFC 6455, section 5.2): final, binary, masked by zeros.
        writer.write(bytes([0x82, 0x80 | len(_WITHOUT_LOGIN), 0, 0, 0, 0]) + _WITHOUT_LOGIN)
        said = b""
        while chunk := await reader.read(4096):
            said += chunk
            if b"-ERR" in said:
                return False
            if b"PONG" in said:
                return True
        return False


@asynccontextmanager
async def _upgraded(
    settings: Settings, parts: SplitResult, headers: str
) -> AsyncGenerator[tuple[str, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Ask for a WebSocket; the status of the answer, "" if it is no HTTP, and the connection. Raises OSError."""
    context = None
    if parts.scheme == "wss":
        context = ssl.create_default_context() if settings.nats_ca is None else trusting(settings.nats_ca)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    try:
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n".encode()
        )
        try:
            answer = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            answer = b""
        found = _STATUS.match(answer)
        yield found[1].decode() if found else "", reader, writer
    finally:
        writer.close()

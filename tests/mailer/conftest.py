"""A sink, and mailers on the test's database."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.embedded.sink import Sink
from services.mailer import service
from services.platform.settings import Settings
from tests.support import smtp
from tests.support.servers import NatsServer

KEYS = "1:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
CLAIM_KEY = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg="
"""Those of tests.support.log.ring()."""

Mailing = Callable[..., AbstractAsyncContextManager[None]]
"""`async with mailing(url, **settings)`: a mailer that runs in this process and sends to an SMTP server."""


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with smtp.sink(tmp_path / "sink") as server:
        yield server


@pytest.fixture
def maildir(sink: Sink, tmp_path: Path) -> Path:
    return tmp_path / "sink" / "mail"


@pytest.fixture
def configure(database_url: str, nats_server: NatsServer) -> Callable[..., Settings]:
    def configured(smtp_url: str, **values: Any) -> Settings:
        return Settings(
            database_url=SecretStr(database_url),
            nats_url=nats_server.url,
            nats_signal_password=SecretStr(nats_server.passwords["signal"]),
            key_encryption_keys=SecretStr(KEYS),
            claim_key=SecretStr(CLAIM_KEY),
            smtp_url=SecretStr(smtp_url),
            **values,
        )

    return configured


@pytest.fixture
def mailing(configure: Callable[..., Settings]) -> Mailing:
    @asynccontextmanager
    async def running(smtp_url: str, **values: Any) -> AsyncGenerator[None]:
        stop, ready = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(service.run(configure(smtp_url, **values), stop, ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=30)
        waiting.cancel()
        if not ready.is_set():
            task.cancel()
            await task
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(30):
                await task
            with suppress(asyncio.CancelledError):
                await waiting

    return running

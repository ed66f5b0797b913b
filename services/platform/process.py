"""The life of a service's process: signals, logs, readiness, exit code."""

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from contextvars import ContextVar

import uvloop
from pydantic import ValidationError

from services.platform import causes, startup
from services.platform import environment as needs
from services.platform import logging as logs
from services.platform.heartbeat import Heartbeat
from services.platform.settings import Settings, faults, missing
from services.platform.startup import Run

log = logging.getLogger(__name__)

_stop: ContextVar[asyncio.Event | None] = ContextVar("stop", default=None)


def serve(service: str, run: Run) -> int:
    """Run a service until SIGTERM or SIGINT; the exit code: 0 after a clean end, 1 a failure, 2 wrong settings."""
    logs.configure(service)
    try:
        settings = Settings()
        wrong = missing(settings, (*needs.SECRETS[service], "nats_url"))
    except ValidationError as error:
        settings, wrong = None, faults(error)
    if settings is None or wrong:
        log.error("settings_invalid", extra={"settings": wrong})
        return 2
    # Our garbage has few cycles, and what is imported is none: looking for it cost 3% of an import.
    gc.freeze()
    gc.set_threshold(20_000)
    try:
        uvloop.run(live(settings, run, service))
    except Exception as error:
        reason = causes.sentence(error)
        log.exception("failed", extra={"reason": reason})
        notify(f"STATUS={reason}")
        return 1
    log.info("stopped")
    return 0


async def live(settings: Settings, run: Run, service: str) -> None:
    """One life of a service, from its start to its clean end. Raises what made it fail.

    It is ready when `run` says so and its first heartbeat was seen.
    """
    started = time.monotonic()
    stop, start = asyncio.Event(), startup.begin(notify)
    is_ready = start.is_ready
    _stop.set(stop)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    beating: asyncio.Task[None] | None = None
    told = False

    def ready() -> None:
        nonlocal beating
        if not is_ready.is_set():
            is_ready.set()
            # What was imported stays: the collector need not look through it again and again (4% of a command's time).
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            beating = asyncio.create_task(Heartbeat(settings, service).run(beaten), name="heartbeat")

    def beaten() -> None:
        nonlocal told
        if not told:
            told = True
            log.info("ready", extra={"seconds": round(time.monotonic() - started, 3)})
            notify("READY=1")

    running = asyncio.ensure_future(run(settings, stop, ready))
    stopping, overdue = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(start.overdue())
    await asyncio.wait([running, stopping, overdue], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if overdue.done():
        running.cancel()
        await asyncio.wait([running])
        overdue.result()
    overdue.cancel()
    if stop.is_set() and not is_ready.is_set():
        # It has accepted nothing yet, and may be waiting for a server that is not coming.
        running.cancel()
        await asyncio.wait([running])
        if running.cancelled():
            return
    try:
        await running
    finally:
        if beating is not None:
            beating.cancel()
            await asyncio.wait([beating])


def give_up(reason: str) -> None:
    """End the service that runs here, after something that only a new process can mend: its supervisor starts one."""
    stop = _stop.get()
    if stop is not None and not stop.is_set():
        log.error("gave_up", extra={"reason": reason})
        stop.set()


def notify(state: str) -> None:
    """Tell the supervisor, by systemd's protocol (sd_notify(3)). Does nothing where NOTIFY_SOCKET is not set."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        try:
            notifier.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError as error:
            log.warning("notify_failed", extra={"error": type(error).__name__})

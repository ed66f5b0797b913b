"""Checks that the processes of each service are alive, by the database sessions that their heartbeats use."""

from dataclasses import dataclass

from services.doctor.database import fetch
from services.doctor.finding import Report, Wanting
from services.platform.heartbeat import PREFIX
from services.platform.settings import Settings

FROZEN_SECONDS = 7.0
"""Three beats and a second: a process that stops is found within 10 s."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as PostgreSQL sees it.

    Attributes:
        heard: seconds since its event loop used its session; None where our login may not see that.
        as_owner: it has logged in with the rights of the log's owner.
    """

    pid: str
    machine: str
    heard: float | None
    login: str
    as_owner: bool


async def check(settings: Settings, service: str) -> Report:
    """A service has a process, and none that hangs."""
    # As the owner, who sees the sessions of every login.
    prefix = f"{PREFIX}/{settings.cell}/{service}/"
    rows = await fetch(settings, "processes", {"prefix": prefix}, role="none")
    return judge(service, [Process(*row) for row in rows])


def judge(service: str, processes: list[Process]) -> Report:
    """Raises Wanting."""
    heard = [process.heard for process in processes if process.heard is not None]
    figures = {"processes": len(processes), "heardSeconds": round(max(heard, default=0), 1)}
    if not processes:
        raise Wanting(f"no process is running: start `denizen run {service}`, or read its log", figures)
    if len(heard) < len(processes):
        raise Wanting("cannot be seen: set DENIZEN_DATABASE_URL to the owner's, and track_activities to on", figures)
    for process in processes:
        named = f"process {process.pid} at {process.machine}"
        if (process.heard or 0) > FROZEN_SECONDS:
            raise Wanting(f"{named} has given no sign of life for {process.heard:.0f} s: it hangs, restart it", figures)
        if process.as_owner:
            raise Wanting(
                f"{named} logs in as {process.login}, who has the rights of the owner: give it a login of its own "
                "(docs/how-to/update.md)",
                figures,
            )
    running = "1 process" if len(processes) == 1 else f"{len(processes)} processes"
    return Report(f"{running}, heard {max(heard):.1f} s ago", figures)

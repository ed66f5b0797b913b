"""Answers `$SRV.PING|INFO|STATS` for the service `users`, whichever library serves a subject (NATS ADR-32)."""

from collections.abc import Iterable

from denizen import __version__
from denizen.operations import Operation
from nats.aio.client import Client
from nats.micro.service import EndpointInfo, EndpointStats, Service, ServiceConfig, ServiceInfo, ServiceStats

from services.domain.refusals import Refusal


class Discovery(Service):
    """The services framework's own answers, over the table of operations."""

    def __init__(self, client: Client, operations: Iterable[Operation], queue_group: str) -> None:
        super().__init__(client, ServiceConfig("users", __version__, "Denizen: user accounts", queue_group=queue_group))
        self._counts = {
            operation.id: EndpointStats(operation.id, operation.subject, queue_group, 0, 0, 0, 0)
            for operation in operations
        }
        self._kinds = {operation.id: operation.kind for operation in operations}

    def count(self, operation: Operation, refusal: Refusal | None) -> None:
        """Count an answered request."""
        stats = self._counts[operation.id]
        stats.num_requests += 1
        if refusal is not None:
            stats.num_errors += 1
            stats.last_error = refusal.code

    def info(self) -> ServiceInfo:
        info = super().info()
        info.endpoints = [
            EndpointInfo(stats.name, stats.subject, stats.queue_group, {"kind": self._kinds[stats.name]})
            for stats in self._counts.values()
        ]
        return info

    def stats(self) -> ServiceStats:
        stats = super().stats()
        stats.endpoints = list(self._counts.values())
        return stats

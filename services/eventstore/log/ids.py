"""Ids of events."""

from uuid import UUID

import uuid_utils


def new_event_id() -> UUID:
    """A UUIDv7 (RFC 9562): unique, and sorted by time."""
    return UUID(bytes=uuid_utils.uuid7().bytes)

"""Ids of events."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_event_id() -> UUID:
    """A UUIDv7 (RFC 9562): unique, and sorted by time."""
    return uuid7()

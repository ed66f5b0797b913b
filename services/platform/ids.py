"""Ids of events and of users."""

from uuid import UUID

import uuid_utils
from typeid.codecs import base32
from uuid_utils import compat


def new_event_id() -> UUID:
    """A UUIDv7 (RFC 9562): unique, and sorted by time."""
    return compat.uuid7()


def new_user_id() -> str:
    """A TypeID of the type `user`, in a quarter of the time that the class of that name takes."""
    return f"user_{base32.encode(uuid_utils.uuid7().bytes)}"

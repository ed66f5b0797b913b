"""The read models: one module for each, with its table and what the events do to it."""

from projections import by_email, by_external_id, users
from projections.projection import Projection

ALL: tuple[Projection, ...] = (users, by_email, by_external_id)
"""Every projection, in the order in which they are applied."""

"""The read models: one module for each, with its table and what the events do to it.

Imports `domain`, and of libraries the database driver (a rule in pyproject.toml).
"""

from projections.by_email import BY_EMAIL
from projections.by_external_id import BY_EXTERNAL_ID
from projections.login_history import LOGIN_HISTORY
from projections.projection import Projection
from projections.users import USERS

ALL: tuple[Projection, ...] = (USERS, BY_EMAIL, BY_EXTERNAL_ID, LOGIN_HISTORY)
"""Every projection, in the order in which they are applied."""

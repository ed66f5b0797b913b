"""Where in a user's own history a session began, or all sessions ended: an order without clocks and other users.

A position of the log would order them too, but access tokens are read by users: two positions tell what others did in
between (docs/decisions/0026).
"""

_BITS = 32
"""Versions are PostgreSQL integers."""


def place(version: int, logins: int = 0) -> int:
    """Orders by the version of the user's own stream, then by that of the stream of the user's logins.

    A session begins behind the logins before it, at the version that its append requires. What ends all sessions makes
    the next version of either stream, so every session that began before it has a smaller place. Never below 2**32:
    log positions, which stood here before, compare as earlier.
    """
    return version << _BITS | logins

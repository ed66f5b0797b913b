"""The rules of user accounts: what can happen to a user, and what follows from it. Does no I/O.

Imports the contract package `denizen`, the standard library, orjson, and libraries that only compute (the rule "The
domain is pure" in pyproject.toml). It has no clock and draws no random numbers: callers pass both in.
"""

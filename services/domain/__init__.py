"""The rules of user accounts: what can happen to a user, and what follows from it. Does no I/O.

Imports no other folder, and of libraries only those that compute (the rule "The domain is pure" in pyproject.toml).
It has no clock and draws no random numbers: callers pass both in.
"""

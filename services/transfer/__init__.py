"""Imports and exports: many users at a time, yielding to other requests.

Imports the domain, the event store, passwords, tokens, the endpoint, the platform, the terms of the directory's search,
and the rounds of accounts, which store updates of users.
"""

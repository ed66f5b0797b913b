"""Imports and exports: many users at a time, yielding to other requests.

Imports `accounts.users`, `directory.search.terms`, `domain`, `endpoint`, `eventstore`, `passwords`, `platform`
and `tokens`.
"""

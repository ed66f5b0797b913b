"""Proves that a user was erased: searches every table, stream and file of Denizen.

Imports `domain`, `eventstore` and `platform`.
"""

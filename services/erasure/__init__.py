"""Proves that a user was erased: searches every table, stream and file of Denizen.

Imports the domain, the event store and the platform.
"""

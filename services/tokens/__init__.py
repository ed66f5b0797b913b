"""Signing keys and what is made with them: access tokens, refresh tokens, revocations, sealed secrets.

Imports the domain, the event store's keys and the platform.
"""

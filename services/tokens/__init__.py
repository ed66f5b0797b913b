"""Signing keys and what is made with them: access tokens, refresh tokens, revocations, sealed secrets.

Imports `domain`, `eventstore.keys` and `platform`.
"""

"""Password hashes, codes, sessions and queued mails: what is stored in one transaction with events but is no event.

Imports `domain`, `eventstore.keys` and `platform`.
"""

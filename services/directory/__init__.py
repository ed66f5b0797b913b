"""The read side: answers queries on users, their history and sessions.

Imports `domain`, `endpoint`, `eventstore`, `platform` and `tokens`.
"""

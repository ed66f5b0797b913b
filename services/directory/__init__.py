"""The read side: answers queries on users, their history and sessions.

Imports the domain, the event store, the endpoint, tokens and the platform.
"""

"""The read side: answers queries from the projections.

Imports the event store's log for history, the endpoint, tokens and the platform.
"""

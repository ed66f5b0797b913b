"""The write side: decides commands and appends their events.

Imports the domain, the event store, passwords, tokens, the endpoint and the platform.
"""

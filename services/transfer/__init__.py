"""Imports and exports: many users at a time, yielding to other requests.

Imports the domain, the event store, search and the platform.
"""

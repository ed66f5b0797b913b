"""Publishes the log to the JetStream stream USERS_EVENTS, in order, and answers subscribers.

Imports `domain`, `endpoint`, `platform` and `tokens`.
"""

"""Publishes the log to the JetStream stream USERS_EVENTS, in order, and answers subscribers.

Imports the platform, the domain, the endpoint and the tokens.
"""

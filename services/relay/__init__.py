"""Publishes the log to the JetStream stream USERS_EVENTS, in order. Imports the platform."""

"""Sends the mails that the write side has queued. Imports the domain, the event store and the platform."""

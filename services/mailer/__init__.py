"""Sends the mails that the write side has queued. Imports the event store's keys and the platform."""

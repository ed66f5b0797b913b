"""Sends the mails that the write side has queued.

Imports `domain`, `eventstore` and `platform`.
"""

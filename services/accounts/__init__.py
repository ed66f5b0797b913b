"""The write side: decides commands and appends their events.

Imports `domain`, `endpoint`, `eventstore`, `passwords`, `platform` and `tokens`.
"""

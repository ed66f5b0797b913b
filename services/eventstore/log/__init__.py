"""Appends events, reads them and verifies them; claims of unique values; snapshots.

Imports `domain`, `eventstore.credentials`, `eventstore.keys` and `platform`.
"""

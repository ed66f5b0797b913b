"""Appends events, reads them and verifies them; claims of unique values; snapshots.

Imports the domain, keys, the rows of credentials, and the platform.
"""

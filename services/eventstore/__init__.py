"""The event log of a cell and what is stored with it, each part in a folder of its own.

The log imports credentials and keys, credentials import keys, and migrations import keys; never the other way round.

Imports no other folder: what its own folders import, each of them says.
"""

"""The base of every program: settings, process, logging, database, broker.

Imports no other folder.
"""

"""The base of every program: settings, process, logging, database, broker.

Imports no other folder of services, except the schema's version (`eventstore.migrations.schema`).
"""

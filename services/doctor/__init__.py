"""The checks of `denizen doctor`: files, PostgreSQL, the log, NATS, and whether each service is alive and keeps up.

Imports the event store, projections and the platform.
"""

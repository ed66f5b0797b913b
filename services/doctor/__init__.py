"""The checks of `denizen doctor`: files, PostgreSQL, the log, NATS, and whether each service is alive and keeps up.

Imports `eventstore`, `platform` and `projections`.
"""

"""PostgreSQL and NATS from Python wheels, and `denizen up`, which supervises them and all services.

Imports `eventstore.keys`, `eventstore.migrations`, `nats_users` and `platform`.
"""

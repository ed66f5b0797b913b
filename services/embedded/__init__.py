"""PostgreSQL and NATS from Python wheels, and `denizen up`, which supervises them and all services.

Imports the event store's keys and migrations, `nats_users` and the platform.
"""

"""PostgreSQL and NATS from Python wheels, and `denizen up`, which supervises them and all services.

Imports the migrations and the platform.
"""

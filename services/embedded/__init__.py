"""PostgreSQL and NATS from Python wheels, for `denizen up` and for tests: loopback only, nothing to install."""

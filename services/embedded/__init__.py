"""PostgreSQL and NATS from Python wheels, for `denizen up` and for tests: one machine, loopback only, no installation."""

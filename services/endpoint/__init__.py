"""Receives requests over NATS, checks them against the contract, and answers every one.

Imports `domain`, `eventstore.keys`, `eventstore.log.store` and `platform`.
"""

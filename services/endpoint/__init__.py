"""Receives requests over NATS, checks them against the contract, and answers every one.

Imports the domain, the event store's keys and errors, and the platform.
"""

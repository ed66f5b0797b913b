"""Receives requests over NATS, checks them against the contract, and answers every one.

Imports the domain, tokens and the platform.
"""

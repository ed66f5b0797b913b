"""Checks new passwords, and verifies hashes: Denizen's own and those of imported users.

Imports the domain's refusals and the platform.
"""

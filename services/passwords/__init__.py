"""Checks new passwords, and verifies hashes: Denizen's own and those of imported users.

Imports `domain.refusals` and `platform`.
"""

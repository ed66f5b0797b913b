"""Passwords: what a new one must be, and the hashes of old ones, ours and those that others made."""

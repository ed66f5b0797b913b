"""Proves that a user was erased: looks for what is left in every table, stream and file of ours."""

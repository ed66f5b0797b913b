"""Key-encryption keys, and the data keys of users that they wrap: loading, using, rotating.

Imports `domain` and `platform`.
"""

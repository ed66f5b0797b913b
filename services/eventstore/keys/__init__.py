"""Key-encryption keys, and the data keys of users that they wrap: loading, using, rotating.

Imports the domain and the platform; `rotation` also the log.
"""

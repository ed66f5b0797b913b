"""The log of a cell: append, read, claims, keys. A library of accounts, projector and relay."""

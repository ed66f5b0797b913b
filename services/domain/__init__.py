"""The rules of user accounts. Does no I/O: imports the contract package `denizen` and the standard library."""

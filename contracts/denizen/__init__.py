"""Denizen's contract: the messages, errors and client that other services install."""

from denizen.operations import COMMANDS, OPERATIONS, QUERIES, Operation

__all__ = ["COMMANDS", "OPERATIONS", "QUERIES", "Operation"]
__version__ = "0.1.0"

"""Decisions: what a command does to a user. One module for each noun, one function for each command.

A decision returns the events that the command leads to, or why it is refused; no I/O, no clock, no random number. The
values of the command have been checked (`fields.check`).

Imports `domain`.
"""

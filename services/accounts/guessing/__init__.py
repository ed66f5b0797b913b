"""Bounds how often passwords, codes and mails can be tried: rate limits, the queue of guesses, recent sign-ins.

Imports `accounts.tools`, `domain.refusals`, `endpoint.call`, `eventstore.credentials`, `eventstore.keys`, `passwords`
and `platform`.
"""

"""Bounds how often passwords, codes and mails can be tried: rate limits, the queue of guesses, recent sign-ins.

Imports the domain, the event store, passwords and the platform; `recent_sign_in` also the endpoint and
`accounts.tools`.
"""

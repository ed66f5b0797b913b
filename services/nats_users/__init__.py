"""Creates the NATS users of an installation: one for each front end, back end, subscriber and verifier (decision 27).

Imports no other folder.
"""

"""Feeds the log through the projections, and rebuilds them. Imports the domain, projections, the event store
and the platform.
"""

"""Feeds the log through the projections, and rebuilds them.

Imports `domain`, `eventstore`, `platform` and `projections`.
"""

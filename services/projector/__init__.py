"""Feeds the log through the projections."""

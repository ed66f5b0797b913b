"""Feeds the log through the projections, and rebuilds them. Imports projections, the event store and the platform."""

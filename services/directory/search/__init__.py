"""Finds users for lists and exports: search terms, the planner's choice of an index, pages.

Imports the domain, projections and the platform.
"""

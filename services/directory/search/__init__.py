"""Finds users for lists and exports: search terms, the planner's choice of an index, pages.

Imports the domain, projections, the endpoint's sizes of answers, and the platform.
"""

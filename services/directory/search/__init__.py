"""Finds users for lists and exports: search terms, the planner's choice of an index, pages.

Imports `domain`, `endpoint.answer_size`, `platform` and `projections`.
"""

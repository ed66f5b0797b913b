"""The schema of a cell: its migrations in steps/, the forms of its projections, and the roles of the services.

Imports `eventstore.keys`, `platform` and `projections`.
"""

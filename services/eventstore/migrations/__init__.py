"""The schema of a cell: its migrations in steps/, the forms of its projections, and the roles of the services.

Imports keys, projections, the platform, and the error CannotStart of the embedded servers.
"""

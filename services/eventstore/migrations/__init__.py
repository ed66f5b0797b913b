"""The schema of a cell: its migrations in steps/, and the roles of the services. Imports keys and the platform."""

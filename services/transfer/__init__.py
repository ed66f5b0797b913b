"""Imports: rows of users from elsewhere become commands, many at a time, and yield to everything else."""

"""Imports and exports: many users at a time, yielding to everything else."""

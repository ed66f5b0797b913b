"""The event log of a cell and what is stored with it, each part in a folder of its own.

Imports the domain and the platform; its migrations also import projections and an error of the embedded servers.
"""

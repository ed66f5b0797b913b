"""What every program needs: settings, process, logging, database, broker.

Imports no other folder of services, but the schema's version.
"""

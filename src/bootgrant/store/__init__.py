"""The store ports on SQLite (the default) and PostgreSQL.

This package keeps rows and makes them durable. The rules about grants are in ``approval`` and run on the stored row.
"""

"""SQLite: one file in WAL mode with ``synchronous=FULL``, written by one process at a time (``data/lock``)."""

"""SQLite: one file, WAL, ``synchronous=FULL``, one writer thread that commits in groups.

It owns how rows are kept and made durable. One process at a time has the file (``data/lock`` says who).
"""

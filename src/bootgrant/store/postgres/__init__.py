"""PostgreSQL: several servers share one database (docs/decisions/0005-postgresql.md).

A change of a grant is one conditional statement on the version of the row that the rule was run on; a server that loses
the race reads again. LISTEN/NOTIFY only makes wake-ups faster; nothing depends on it.
"""

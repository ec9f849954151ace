"""PostgreSQL: several servers share one database (docs/decisions/0005-postgresql.md).

It owns how rows are kept there, how connections are found again after a restart, and how one server hears of the
changes that another made. A change of state is one conditional statement, tied to the version of the row that the
rule was run on; whoever loses reads again. Nothing depends on LISTEN/NOTIFY but the speed of a wake-up.
"""

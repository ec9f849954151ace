"""The migrations avoid what other databases with PostgreSQL's protocol reject. The tests have neither of them.

CockroachDB builds columns and indexes after the commit. Within one transaction, an index's condition cannot name an
added column (its issue 83593), and some versions cannot create a table under the name of a dropped one.
"""

from __future__ import annotations

import re

import pytest

from bootgrant.store.migrations import Migration, known_migrations

MIGRATIONS = [pytest.param(migration, id=migration.name) for migration in known_migrations("postgres")]
REFUSED = r"(?i)\b(LISTEN|NOTIFY|LOCK TABLE|ADVISORY|TRIGGER|FUNCTION|DO \$|EXCLUDE|UNLOGGED|INHERITS|CONCURRENTLY)\b"


def statements(migration: Migration) -> list[str]:
    without_comments = re.sub(r"--.*", "", migration.sql)
    return [" ".join(statement.split()) for statement in without_comments.split(";") if statement.strip()]


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_a_migration_is_plain_sql(migration: Migration) -> None:
    assert [statement for statement in statements(migration) if re.search(REFUSED, statement)] == []


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_no_index_condition_names_a_column_of_the_same_migration(migration: Migration) -> None:
    added = {
        (match[1], match[2])
        for statement in statements(migration)
        if (match := re.match(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", statement))
    }
    for statement in statements(migration):
        if index := re.match(r"CREATE (?:UNIQUE )?INDEX .* ON (\w+) \(.*\) WHERE (.*)", statement):
            assert [column for table, column in added if table == index[1] and column in index[2].split()] == []


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_no_table_is_dropped_and_created_in_one_migration(migration: Migration) -> None:
    created, dropped = (
        {match[1] for statement in statements(migration) if (match := re.match(form, statement))}
        for form in (r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", r"DROP TABLE (\w+)")
    )
    assert created & dropped == set()

"""What databases that speak PostgreSQL's protocol refuse in a migration; neither of them is at hand in the tests.

CockroachDB builds columns and indexes after the commit: within one transaction, an index's condition cannot name a
column that was added (its issue 83593), and in some versions a dropped table cannot be made anew under its name.
"""

from __future__ import annotations

import re
from importlib import resources

import pytest

FILES = sorted(
    file.name
    for file in (resources.files("bootgrant.store.schema") / "postgres").iterdir()
    if file.name.endswith(".sql")
)
REFUSED = r"(?i)\b(LISTEN|NOTIFY|LOCK TABLE|ADVISORY|TRIGGER|FUNCTION|DO \$|EXCLUDE|UNLOGGED|INHERITS|CONCURRENTLY)\b"


def statements(name: str) -> list[str]:
    text = (resources.files("bootgrant.store.schema") / "postgres" / name).read_text()
    without_comments = re.sub(r"--.*", "", text)
    return [" ".join(statement.split()) for statement in without_comments.split(";") if statement.strip()]


@pytest.mark.parametrize("name", FILES)
def test_a_migration_is_plain_sql(name: str) -> None:
    assert [statement for statement in statements(name) if re.search(REFUSED, statement)] == []


@pytest.mark.parametrize("name", FILES)
def test_no_condition_of_an_index_names_a_column_of_the_same_migration(name: str) -> None:
    added = {
        (match[1], match[2])
        for statement in statements(name)
        if (match := re.match(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", statement))
    }
    for statement in statements(name):
        if index := re.match(r"CREATE (?:UNIQUE )?INDEX .* ON (\w+) \(.*\) WHERE (.*)", statement):
            assert [column for table, column in added if table == index[1] and column in index[2].split()] == []


@pytest.mark.parametrize("name", FILES)
def test_no_table_is_dropped_and_made_in_one_migration(name: str) -> None:
    made, dropped = (
        {match[1] for statement in statements(name) if (match := re.match(form, statement))}
        for form in (r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", r"DROP TABLE (\w+)")
    )
    assert made & dropped == set()

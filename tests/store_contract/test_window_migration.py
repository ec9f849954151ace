"""Windows armed with an earlier version, which kept only a display text, have an author after the migration."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import resources

import psycopg

from support.grants import NOW
from support.postgres_cluster import Cluster

OLD = {
    "w1": "ana",
    "w2": "ana (passkey)",
    "w3": "corp:ana#1f (oidc:corp)",
    "w4": "root (admin.sock)",
    "w5": "admin.sock",
    "w6": "eve (token:ci) (admin.sock)",
    "w7": "ana (token:laptop)",
    "w8": "ci (token:ci)",
    "w9": "ben (token:ben)",
    "w10": "gone (token:gone)",
}
AUTHORS = [
    ("w1", "ana", "session"),
    ("w10", "", "token:gone"),
    ("w2", "ana", "passkey"),
    ("w3", "corp:ana#1f", "oidc:corp"),
    ("w4", "root", "admin.sock"),
    ("w5", "admin.sock", "admin.sock"),
    ("w6", "eve (token:ci)", "admin.sock"),
    ("w7", "ana", "token:laptop"),
    ("w8", "", "token:ci"),
    ("w9", "ben", "token:ben"),
]


def scripts(kind: str) -> tuple[list[str], list[str]]:
    """The migrations of the earlier version, and those that came after it."""
    files = sorted((resources.files("bootgrant.store.schema") / kind).iterdir(), key=lambda file: file.name)
    old = [file.read_text() for file in files if file.name < "0009" and file.name.endswith(".sql")]
    return old, [file.read_text() for file in files if "0009" <= file.name < "0011"]


def old_rows(digest: str) -> Iterator[str]:
    """The rows of the earlier version as statements; ``digest`` is how the database writes bytes."""
    for name, owner in (("laptop", "ana"), ("ci", ""), ("ben", "ben")):
        yield (
            "INSERT INTO api_tokens (name, digest, role, labels, created_at, created_by, expires_at, owner) "
            f"VALUES ('{name}', {digest % name.encode().hex()}, 'approver', '', {NOW}, 'ana', {NOW + 60}, '{owner}')"
        )
    for window_id, text in OLD.items():
        yield (
            "INSERT INTO windows (window_id, name, conditions, armed_by, armed_at, until, count, used) "
            f"VALUES ('{window_id}', '{window_id}', '', '{text}', {NOW}, {NOW + 60}, 3, 1)"
        )


def test_sqlite_takes_the_author_from_the_text() -> None:
    before, after = scripts("sqlite")
    with closing(sqlite3.connect(":memory:")) as database:
        for script in before:
            database.executescript(script)
        for statement in old_rows("x'%s'"):
            database.execute(statement)
        for script in after:
            database.executescript(script)
        rows = database.execute("SELECT window_id, author, author_via FROM windows ORDER BY window_id").fetchall()
    assert rows == AUTHORS


def test_postgresql_takes_the_author_from_the_text(postgres: Cluster) -> None:
    before, after = scripts("postgres")
    name = postgres.create()
    with psycopg.connect(postgres.url(name), autocommit=True) as database:
        for statement in (*before, *old_rows(r"'\x%s'"), *after):
            database.execute(statement.encode())
        rows = database.execute('SELECT window_id, author, author_via FROM windows ORDER BY window_id COLLATE "C"')
        assert rows.fetchall() == AUTHORS
    postgres.drop(name)

"""Rows of earlier versions after the migrations: operators of 0001, windows armed before 0009, and deliveries before
0021."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, Head, chain
from bootgrant.store.audit_rows import AUDIT, audit_row
from bootgrant.store.migrations import known_migrations
from bootgrant.store.rows import insert_into
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, NOW, UUID
from support.postgres_cluster import Cluster

# The display text that a window had, and its author after the migration.
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
    """Return the migrations before 0009, and the ones that give windows an author."""
    migrations = known_migrations(kind)
    before = [migration.sql for migration in migrations if migration.name < "0009"]
    return before, [migration.sql for migration in migrations if "0009" <= migration.name < "0011"]


def old_rows(digest: str) -> Iterator[str]:
    """Yield statements that insert earlier rows; ``digest`` is how the database writes bytes."""
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


@pytest.mark.parametrize("table", ["sessions", "passkeys", "challenges", "api_tokens"])
def test_an_earlier_operator_becomes_an_admin_and_nobody_is_signed_in(table: str) -> None:
    scripts = {migration.name: migration.sql for migration in known_migrations("sqlite")}
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(scripts["0001_grants_operators_sessions"])
        database.execute("INSERT INTO operators VALUES ('ana', '$argon2id$', ?)", (NOW,))
        database.execute("INSERT INTO sessions VALUES (x'00', 'ana', ?, ?)", (NOW, NOW))
        database.executescript(scripts["0003_people"])
        operator = "SELECT name, password_hash, created_at, role, labels, kind, disabled_at FROM operators"
        assert database.execute(operator).fetchall() == [("ana", "$argon2id$", NOW, "admin", "", "local", None)]
        assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


# A hostname that looks like a part of a record, and has what PostgreSQL's JSON cannot hold.
ODD = MachineIdentity(UUID, "SN1", MAC, 'x","address":"1.2.3.4\0')
FACTS = "entry, seq, address, uuid, serial, mac, grant_id, revision, digest, made, no_preview"
DELIVERIES = [
    ("cp-1", 3, "10.20.0.12", UUID, "SN1", MAC, "g2", "4f2c9ab", "e" * 64, "join_key", "older"),
    ("cp-2", 2, "fd00::1", "", "", "", "", "", "", "", "older"),
]


def audit_rows() -> list[tuple[object, ...]]:
    """Return the audit of an earlier version: cp-1 was delivered twice, cp-2 once, cp-3 only approved."""
    made: dict[str, str | int] = {"made_at_delivery": "join_key", "approved_sha256": "a" * 64}
    events = [
        AuditEvent(NOW, AuditKind.DELIVERED, grant_id="g1", identity=ODD, address="10.20.0.11", entry="cp-1"),
        AuditEvent(NOW, AuditKind.DELIVERED, address="fd00::1", entry="cp-2"),
        AuditEvent(
            NOW + 1, AuditKind.DELIVERED, "", "", "g2", ODD, "10.20.0.12", "cp-1", "4f2c9ab", "e" * 64, details=made
        ),
        AuditEvent(NOW + 2, AuditKind.APPROVED, "ana", entry="cp-3"),
    ]
    return [audit_row(record) for record in chain(events, Head())]


def scripts_of_deliveries(kind: str) -> tuple[list[str], str]:
    migrations = known_migrations(kind)
    before = [migration.sql for migration in migrations if migration.name < "0021"]
    return before, next(migration.sql for migration in migrations if migration.name.startswith("0021"))


def test_sqlite_takes_last_deliveries_from_the_audit() -> None:
    before, after = scripts_of_deliveries("sqlite")
    with closing(sqlite3.connect(":memory:")) as database:
        for script in before:
            database.executescript(script)
        database.executemany(insert_into("audit", AUDIT), audit_rows())
        database.executescript(after)
        assert database.execute(f"SELECT {FACTS} FROM last_deliveries ORDER BY entry").fetchall() == DELIVERIES


def test_postgresql_takes_last_deliveries_from_the_audit(postgres: Cluster) -> None:
    before, after = scripts_of_deliveries("postgres")
    name = postgres.create()
    with psycopg.connect(postgres.url(name), autocommit=True) as database:
        for script in before:
            database.execute(script.encode())
        database.cursor().executemany(insert_into("audit", AUDIT, "%s"), audit_rows())
        database.execute(after.encode())
        rows = database.execute(f"SELECT {FACTS} FROM last_deliveries ORDER BY entry".encode())
        assert rows.fetchall() == DELIVERIES
    postgres.drop(name)

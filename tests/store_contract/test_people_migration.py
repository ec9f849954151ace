"""Operators of version 0001 keep their name, their password and all rights, and sign in again."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from bootgrant.store.migrations import known_migrations
from support.grants import NOW


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

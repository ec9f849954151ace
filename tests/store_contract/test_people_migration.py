"""People of the version before: they keep their name, their password and all rights, and sign in again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources

import pytest

from support.grants import NOW


@pytest.mark.parametrize("table", ["sessions", "passkeys", "challenges", "api_tokens"])
def test_an_operator_of_the_version_before_is_an_admin_and_nobody_is_signed_in(table: str) -> None:
    schema = resources.files("bootgrant.store.schema") / "sqlite"
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript((schema / "0001_grants_operators_sessions.sql").read_text())
        database.execute("INSERT INTO operators VALUES ('ana', '$argon2id$', ?)", (NOW,))
        database.execute("INSERT INTO sessions VALUES (x'00', 'ana', ?, ?)", (NOW, NOW))
        database.executescript((schema / "0003_people.sql").read_text())
        operator = "SELECT name, password_hash, created_at, role, labels, kind, disabled_at FROM operators"
        assert database.execute(operator).fetchall() == [("ana", "$argon2id$", NOW, "admin", "", "local", None)]
        assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)

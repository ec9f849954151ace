"""The SQLite file itself: secrets that it never contains, how it is opened and migrated, what survives a failure."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.sqlite.database import SqliteDatabase
from support.grants import CODES, NOW, decision_by, pending_grant

pytestmark = pytest.mark.anyio


async def test_the_file_contains_no_code_and_no_token(tmp_path: Path) -> None:
    grant, code = pending_grant()
    token = access_token(code, grant.token_salt)
    with SqliteDatabase(tmp_path, NOW) as database:
        await database.grants.open_grant(grant)
        await database.grants.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW), "a.yaml"))
        await database.grants.change_grant(
            grant.grant_id, lambda g: g.redeem("talos", access_token_digest(token), GrantRules(), NOW)
        )
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert grant.grant_id.encode() in content
    for secret in (code.reveal(), token.reveal(), CODES.of_grant(grant.grant_id)):
        assert secret.encode() not in content


async def test_a_grant_survives_a_restart(tmp_path: Path) -> None:
    grant, _ = pending_grant()
    with SqliteDatabase(tmp_path, NOW) as database:
        await database.grants.open_grant(grant)
    with SqliteDatabase(tmp_path, NOW) as database:
        assert await database.grants.find_grant(grant.grant_id) == grant


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path, NOW), pytest.raises(StoreUnavailable, match="in use by another bootgrant"):
        SqliteDatabase(tmp_path, NOW)


def test_the_file_is_in_wal_mode(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path, NOW), closing(sqlite3.connect(tmp_path / "bootgrant.sqlite3")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_of_a_newer_version_is_refused_unchanged(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path, NOW).close()
    with closing(sqlite3.connect(tmp_path / "bootgrant.sqlite3")) as connection, connection:
        connection.execute("UPDATE _yoyo_migration SET migration_id = '9999_from_the_future'")
    with pytest.raises(StoreUnavailable, match="newer bootgrant"):
        SqliteDatabase(tmp_path, NOW)


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path, NOW).close()
    assert (tmp_path / "bootgrant.sqlite3").stat().st_mode & 0o077 == 0


async def test_a_refused_write_fails_and_the_next_one_succeeds(tmp_path: Path) -> None:
    grant, _ = pending_grant()
    with SqliteDatabase(tmp_path, NOW) as database:
        with closing(sqlite3.connect(tmp_path / "bootgrant.sqlite3")) as other:
            other.execute("CREATE TRIGGER full BEFORE INSERT ON grants BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END")
            other.commit()
        with pytest.raises(StoreUnavailable):
            await database.grants.open_grant(grant)
        with closing(sqlite3.connect(tmp_path / "bootgrant.sqlite3")) as other:
            other.execute("DROP TRIGGER full")
            other.commit()
        await database.grants.open_grant(grant)
        assert await database.grants.find_grant(grant.grant_id) == grant


def test_the_lock_of_a_killed_migration_of_an_earlier_version_is_ignored(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path, NOW).close()
    with closing(sqlite3.connect(tmp_path / "bootgrant.sqlite3")) as connection, connection:
        connection.execute("CREATE TABLE yoyo_lock (locked INT DEFAULT 1, ctime TIMESTAMP, pid INT NOT NULL)")
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, '2026-01-01', 4711)")
    SqliteDatabase(tmp_path, NOW).close()


def test_a_migration_that_fails_before_it_is_recorded_leaves_nothing_behind(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path, NOW).close()
    with closing(sqlite3.connect(tmp_path / "bootgrant.sqlite3")) as older:
        older.executescript(
            "ALTER TABLE api_tokens DROP COLUMN owner; DELETE FROM _yoyo_migration WHERE migration_id LIKE '0007%';"
            "CREATE TRIGGER killed BEFORE INSERT ON _yoyo_migration BEGIN SELECT RAISE(ABORT, 'killed'); END;"
        )
    with pytest.raises(StoreUnavailable, match="killed"):
        SqliteDatabase(tmp_path, NOW)
    with closing(sqlite3.connect(tmp_path / "bootgrant.sqlite3")) as repaired:
        repaired.execute("DROP TRIGGER killed")
    SqliteDatabase(tmp_path, NOW).close()


def test_a_damaged_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "bootgrant.sqlite3").write_bytes(b"no database at all, but long enough to look at" * 100)
    with pytest.raises(StoreUnavailable, match=r"bootgrant\.sqlite3"):
        SqliteDatabase(tmp_path, NOW)


def test_creating_the_file_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with SqliteDatabase(tmp_path, NOW):
        assert capfd.readouterr().out == ""

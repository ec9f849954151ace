"""The PostgreSQL database itself: migrations, secrets that it never contains, how it is opened and queried."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.migrations import known_migrations
from bootgrant.store.postgres import grant_sql
from bootgrant.store.postgres.connections import Connection, Connections, PostgresAddress
from bootgrant.store.postgres.database import open_postgres
from bootgrant.store.postgres.migrations import migrate
from bootgrant.wire.secret import Secret
from support.grants import CODES, NOW, decision_by, other_machine, pending_grant
from support.postgres_cluster import Cluster

pytestmark = pytest.mark.anyio


@pytest.fixture
def empty(postgres: Cluster) -> Iterator[PostgresAddress]:
    """A database without a schema."""
    name = postgres.create()
    yield PostgresAddress(Secret(postgres.url(name)))
    postgres.drop(name)


async def refusal(address: PostgresAddress) -> str:
    with pytest.raises(StoreUnavailable) as failure:
        async with open_postgres(address, 1):
            pass
    return str(failure.value)


def connect(address: PostgresAddress) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(address.url.reveal(), autocommit=True)


async def test_a_database_without_migrations_is_refused_with_the_command_to_run(empty: PostgresAddress) -> None:
    assert "run `bootgrant migrate` once" in await refusal(empty)
    assert migrate(empty) == [migration.name for migration in known_migrations("postgres")]
    assert migrate(empty) == []
    async with open_postgres(empty, 1) as database:
        await database.grants.check_writable()


async def test_a_database_of_a_newer_version_is_refused_unchanged(address: PostgresAddress) -> None:
    with connect(address) as connection:
        connection.execute("UPDATE _yoyo_migration SET migration_id = '9999_from_the_future'")
    assert "newer bootgrant" in await refusal(address)
    with pytest.raises(StoreUnavailable, match="newer bootgrant"):
        migrate(address)


def test_a_killed_migration_leaves_a_lock_that_can_be_broken(address: PostgresAddress) -> None:
    with connect(address) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    with pytest.raises(StoreUnavailable, match="--break-lock"):
        migrate(address, lock_seconds=0.1)
    assert migrate(address, break_lock=True) == []


def test_a_migration_that_fails_before_it_is_recorded_leaves_nothing_behind(address: PostgresAddress) -> None:
    with connect(address) as connection:
        connection.execute("ALTER TABLE api_tokens DROP COLUMN owner")
        connection.execute("DELETE FROM _yoyo_migration WHERE migration_id LIKE '0007%'")
        connection.execute("ALTER TABLE _yoyo_migration ADD CONSTRAINT killed CHECK (migration_id NOT LIKE '0007%')")
        with pytest.raises(StoreUnavailable, match="killed"):
            migrate(address)
        connection.execute("ALTER TABLE _yoyo_migration DROP CONSTRAINT killed")
        assert len(migrate(address)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bootgrant:opensesame@127.0.0.1:{port}/{database}",
        "postgresql://bootgrant:opensesame@127.0.0.1:1/x",
        "postgresql://bootgrant:opensesame@127.0.0.1:{port}/nowhere",
    ],
)
async def test_an_unusable_database_is_named_without_the_password(
    postgres: Cluster, address: PostgresAddress, url: str
) -> None:
    wrong = PostgresAddress(Secret(url.format(port=postgres.port, database=address.parameters()["dbname"])))
    message = await refusal(wrong)
    assert "127.0.0.1" in message
    assert "opensesame" not in message + repr(wrong) + str(wrong)
    with pytest.raises(StoreUnavailable) as failure:
        migrate(wrong)
    assert "opensesame" not in str(failure.value)


async def test_the_password_is_read_from_its_file_at_each_connection(
    postgres: Cluster, address: PostgresAddress, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    by_file = PostgresAddress(Secret(postgres.url(address.parameters()["dbname"], "")), file)
    assert str(file) in await refusal(by_file)
    file.write_text("wrong\n")
    assert "password authentication failed" in await refusal(by_file)
    file.write_text(address.parameters()["password"] + "\n")
    async with open_postgres(by_file, 1) as database:
        await database.grants.check_writable()


async def test_the_tables_contain_no_code_and_no_token(address: PostgresAddress) -> None:
    grant, code = pending_grant()
    token = access_token(code, grant.token_salt)
    async with open_postgres(address, 2) as database:
        await database.grants.open_grant(grant)
        await database.grants.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW), "a.yaml"))
        digest = access_token_digest(token)
        await database.grants.change_grant(grant.grant_id, lambda g: g.redeem("talos", digest, GrantRules(), NOW))
    with connect(address) as connection:
        (row,) = connection.execute("SELECT grants::text FROM grants").fetchall()
    assert grant.grant_id in row[0]
    for secret in (code.reveal(), token.reveal(), CODES.of_grant(grant.grant_id)):
        assert secret not in row[0]
        assert secret.encode().hex() not in row[0]


async def test_a_server_opens_no_more_connections_than_configured(address: PostgresAddress) -> None:
    async with open_postgres(address, 3) as database:
        grants = [pending_grant(identity=other_machine(n))[0] for n in range(200)]
        await asyncio.gather(*(database.grants.open_grant(grant) for grant in grants))
        steps = [database.grants.find_grant(grant.grant_id) for grant in grants]
        await asyncio.gather(*steps, *(database.grants.pending_grants(NOW, 5) for _ in range(50)))
        with connect(address) as connection:
            used = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bootgrant'")
            assert used.fetchone() in [(count,) for count in range(1, 3 + 1 + 1)]


def test_queries_on_behalf_of_machines_use_an_index(address: PostgresAddress) -> None:
    hot = {
        "by id": (grant_sql.BY["grant_id"], (["a"],)),
        "by device code": (grant_sql.BY["device_code_digest"], ([b"a"],)),
        "by user code": (grant_sql.BY["user_code_digest"], ([b"a"],)),
        "by token": (grant_sql.BY["token_digest"], ([b"a"],)),
        "denials": (grant_sql.DENIED, (["a"], NOW, ["b"], NOW, ["c"], NOW)),
        "refused machines": (grant_sql.DENIALS, (NOW, 10)),
        "queue": (grant_sql.PENDING, (NOW, 10)),
        "new ones": (grant_sql.PENDING_SINCE, (NOW, NOW, 10)),
        "rivals": (grant_sql.LIVE_WITH, (["a"], NOW, ["b"], NOW, ["c"], NOW)),
        "replace": (grant_sql.REPLACE, ("id", "a", "b")),
        "last decisions": (grant_sql.LAST_DECIDED, (NOW, ["a"])),
        "undelivered": (grant_sql.UNDELIVERED, ()),
    }
    with connect(address) as connection:
        connection.execute("SET enable_seqscan = off")
        for name, (statement, values) in hot.items():
            plan = "\n".join(row[0] for row in connection.execute("EXPLAIN " + statement, values).fetchall())
            assert "Index" in plan, (name, plan)
            assert "Seq Scan" not in plan, (name, plan)


async def test_commits_wait_for_the_disk_even_if_the_database_is_set_not_to(
    postgres: Cluster, address: PostgresAddress
) -> None:
    name = sql.Identifier(address.parameters()["dbname"])
    postgres.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
    connections = Connections(address, 1)
    await connections.open()

    async def setting(connection: Connection) -> tuple[object, ...] | None:
        return await (await connection.execute("SHOW synchronous_commit")).fetchone()

    try:
        assert await connections.run(setting) == ("on",)
    finally:
        await connections.close()

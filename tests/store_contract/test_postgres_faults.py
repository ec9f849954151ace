"""PostgreSQL restarts, vanishes or breaks connections: confirmed changes stay, and none is made twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from psycopg import sql

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.postgres.connections import PATIENCE, PostgresAddress
from bootgrant.store.postgres.database import PostgresDatabase, open_postgres
from bootgrant.wire.secret import Secret
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.postgres_cluster import Cluster
from support.replicas import server_on
from support.tcp_proxy import breaking_proxy

pytestmark = pytest.mark.anyio


APPROVE = partial(DeviceGrant.approve, decision=decision_by("ana", NOW), entry="a.yaml")


async def test_a_restart_makes_requests_wait_and_loses_nothing(postgres: Cluster, address: PostgresAddress) -> None:
    async with open_postgres(address, 4) as database:
        store = database.grants
        before, _ = pending_grant()
        await store.open_grant(before)
        postgres.crash()
        waiting = asyncio.create_task(store.change_grant(before.grant_id, APPROVE))
        await asyncio.sleep(0)
        postgres.start(wait=False)
        assert isinstance(await waiting, DeviceGrant)
        after, _ = pending_grant(identity=other_machine(1))
        await store.open_grant(after)
        kept = await store.find_grant(before.grant_id)
        assert kept is not None
        assert kept.state is GrantState.APPROVED


async def test_a_watcher_during_a_restart_is_woken_by_the_next_decision(
    postgres: Cluster, address: PostgresAddress
) -> None:
    async with server_on(address) as one, server_on(address) as other:
        grant, _ = pending_grant()
        await one.grants.open_grant(grant)
        with other.grants.watch_grant(grant.grant_id) as wake:
            await other.grants.find_grant(grant.grant_id)
            postgres.stop()
            postgres.start()
            assert isinstance(await one.grants.change_grant(grant.grant_id, APPROVE), DeviceGrant)
            await asyncio.wait_for(wake, 10)


async def test_a_database_that_stays_away_is_reported_within_seconds_and_without_its_password(
    postgres: Cluster, address: PostgresAddress
) -> None:
    async with open_postgres(address, 4) as database:
        postgres.stop()
        begun = asyncio.get_running_loop().time()
        with pytest.raises(StoreUnavailable) as failure:
            await database.grants.open_grant(pending_grant()[0])
        assert asyncio.get_running_loop().time() - begun < PATIENCE + 2
        assert address.parameters()["password"] not in str(failure.value)
        postgres.start()
        await database.grants.open_grant(pending_grant()[0])


async def test_breaking_connections_lose_no_decision_and_make_none_twice(
    postgres: Cluster, address: PostgresAddress
) -> None:
    broken = sql.SQL(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid()"
    ).format(sql.Literal(address.parameters()["dbname"]))

    async def break_them(rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.to_thread(postgres.execute, broken)

    async with open_postgres(address, 4) as database:
        grants = [pending_grant(identity=other_machine(n))[0] for n in range(300)]

        async def open_and_approve(grant: DeviceGrant) -> None:
            await database.grants.open_grant(grant)
            # Nobody else decides, so whatever breaks, the caller must learn that the decision took effect.
            assert isinstance(await database.grants.change_grant(grant.grant_id, APPROVE), DeviceGrant)

        breaking = asyncio.create_task(break_them(15))
        for start in range(0, len(grants), 20):
            await asyncio.gather(*(open_and_approve(grant) for grant in grants[start : start + 20]))
        await breaking
        for grant in grants:
            kept = await database.grants.find_grant(grant.grant_id)
            assert kept is not None
            assert kept.state is GrantState.APPROVED


@pytest.mark.parametrize("other_decides", [False, True])
async def test_a_decision_whose_answer_was_lost_is_found_to_have_taken_effect(
    postgres: Cluster, address: PostgresAddress, *, other_decides: bool
) -> None:
    grant, _ = pending_grant()
    async with breaking_proxy(postgres.port) as proxy, open_postgres(through(proxy.port, address), 1) as database:
        await database.grants.open_grant(grant)
        proxy.set_trap(b"UPDATE grants SET version")
        deciding = asyncio.create_task(database.grants.change_grant(grant.grant_id, APPROVE))
        await asyncio.wait_for(proxy.caught.wait(), 5)
        async with open_postgres(address, 1) as other:
            await until(lambda: is_changed(other, grant))
            if other_decides:
                await other.grants.change_grant(grant.grant_id, lambda g: g.revoke(NOW + 1))
        proxy.spring()
        outcome = await deciding
        assert isinstance(outcome, DeviceGrant) is not other_decides


async def test_a_request_whose_answer_was_lost_is_stored_once(postgres: Cluster, address: PostgresAddress) -> None:
    grants = [pending_grant(identity=other_machine(n))[0] for n in range(3)]
    async with breaking_proxy(postgres.port) as proxy, open_postgres(through(proxy.port, address), 1) as database:
        proxy.set_trap(b"INSERT INTO grants")
        opening = [asyncio.create_task(database.grants.open_grant(grant)) for grant in grants]
        await asyncio.wait_for(proxy.caught.wait(), 5)
        async with open_postgres(address, 1) as other:
            await until(lambda: are_kept(other, len(grants)))
        proxy.spring()
        assert await asyncio.gather(*opening) == [[], [], []]
        assert len(await database.grants.pending_grants(NOW, 10)) == 3


def through(port: int, address: PostgresAddress) -> PostgresAddress:
    """Return the address of the same database at another port."""
    given = address.parameters()
    password = given["password"].replace(" ", "%20")
    return PostgresAddress(Secret(f"postgresql://{given['user']}:{password}@127.0.0.1:{port}/{given['dbname']}"))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.005)


async def is_changed(database: PostgresDatabase, grant: DeviceGrant) -> bool:
    return await database.grants.find_grant(grant.grant_id) != grant


async def are_kept(database: PostgresDatabase, number: int) -> bool:
    return len(await database.grants.pending_grants(NOW, 100)) == number

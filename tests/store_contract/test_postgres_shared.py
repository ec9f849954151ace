"""Two servers on one PostgreSQL database agree, and each hears of the other's changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from psycopg import sql

from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.login_codes import LoginCodes
from bootgrant.approval.operators import VIA_SESSION, Role
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.people import Operator, Session
from bootgrant.service.parts.people import api_tokens
from bootgrant.service.server.chores import Chores
from bootgrant.store.postgres.connections import Connection, Connections, PostgresAddress
from bootgrant.store.postgres.database import PostgresDatabase, open_postgres
from bootgrant.store.postgres.news import News
from bootgrant.store.postgres.watching import Watching
from bootgrant.workflows.people.api_tokens import NewToken
from bootgrant.workflows.people.command_line import CommandLineLogins, NoToken, Wishes
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.postgres_cluster import Cluster
from support.replicas import server_on

pytestmark = pytest.mark.anyio
DENY = partial(DeviceGrant.deny, decision=decision_by("ana", NOW))
Two = tuple[PostgresDatabase, PostgresDatabase]


@pytest.fixture(params=["read committed", "serializable"])
async def two(request: pytest.FixtureRequest, postgres: Cluster, address: PostgresAddress) -> AsyncIterator[Two]:
    """PostgreSQL's default, and the only level of some databases (CockroachDB), where transactions lose races."""
    isolate(postgres, address, request.param)
    async with both(address) as opened:
        yield opened


def isolate(postgres: Cluster, address: PostgresAddress, level: str) -> None:
    """Set the default isolation of every transaction."""
    name = sql.Identifier(address.parameters()["dbname"])
    change = sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}").format(name, sql.Literal(level))
    postgres.execute(change)


@asynccontextmanager
async def both(address: PostgresAddress) -> AsyncIterator[Two]:
    async with server_on(address) as one, server_on(address) as other:
        yield one, other


async def hearing(two: Two) -> None:
    """Wait until both hear of changes."""
    await until(lambda: all(database.hears_others for database in two))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def denied_elsewhere(two: Two, seconds: float) -> None:
    """Deny a request on one server; a watcher on the other must wake up within ``seconds``."""
    grant, _ = pending_grant()
    await two[0].grants.open_grant(grant)
    with two[1].grants.watch_grant(grant.grant_id) as wake:
        assert await two[1].grants.find_grant(grant.grant_id) == grant
        await two[0].grants.change_grant(grant.grant_id, DENY)
        await asyncio.wait_for(wake, seconds)
    seen = await two[1].grants.find_grant(grant.grant_id)
    assert seen is not None
    assert seen.state is GrantState.DENIED


def without_notifications(postgres: Cluster, address: PostgresAddress, body: str) -> None:
    """Replace PostgreSQL's own pg_notify by a function with this body."""
    name = address.parameters()["dbname"]
    made = f"CREATE FUNCTION pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS '{body}'"
    postgres.execute(sql.SQL(made), name)
    postgres.execute(sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog").format(sql.Identifier(name)))


async def test_a_decision_on_one_server_wakes_a_watcher_on_the_other_at_once(two: Two) -> None:
    await hearing(two)
    await denied_elsewhere(two, 0.5)


async def test_a_look_at_the_table_wakes_watchers_when_notifications_are_swallowed(
    postgres: Cluster, address: PostgresAddress
) -> None:
    without_notifications(postgres, address, "BEGIN END")
    async with both(address) as two:
        await denied_elsewhere(two, 5)
        assert not two[1].hears_others


async def test_a_database_without_notifications_is_supported(postgres: Cluster, address: PostgresAddress) -> None:
    without_notifications(postgres, address, "BEGIN RAISE EXCEPTION USING ERRCODE = ''0A000''; END")
    async with both(address) as two:
        await denied_elsewhere(two, 5)
        await denied_elsewhere(two, 5)


async def test_a_listener_that_lost_its_connection_hears_again(two: Two, postgres: Cluster) -> None:
    await hearing(two)
    postgres.execute(
        sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_notify%'")
    )
    await denied_elsewhere(two, 5)
    await hearing(two)
    await denied_elsewhere(two, 0.5)


async def test_an_unforeseen_error_in_a_listener_is_counted_and_it_listens_again(address: PostgresAddress) -> None:
    class FailingOnce(Watching):
        failed = False

        def changed(self, grant_id: str, version: int) -> None:
            if grant_id == "unforeseen" and not self.failed:
                self.failed = True
                raise ZeroDivisionError
            super().changed(grant_id, version)

    connections, watching = Connections(address, 2), FailingOnce()
    news = News(address, connections, watching)
    await connections.open()
    chores = Chores(news.chores, pauses=(0.01, 0.01))
    chores.start()
    try:
        await until(lambda: news.hearing)
        await connections.execute("SELECT pg_notify('bootgrant_grants', 'unforeseen:1')")
        # The failure is counted once its connection is closed, so "hearing" before that means the old one.
        await until(lambda: sum(chore.failures for chore in news.chores) > 0 and news.hearing)
        assert watching.failed
        assert sorted(chore.failures for chore in news.chores) == [0, 0, 1]
    finally:
        await chores.stop()
        await connections.close()


async def test_a_replaced_request_wakes_its_watcher_on_the_other_server(two: Two) -> None:
    first, _ = pending_grant()
    await two[0].grants.open_grant(first)
    with two[1].grants.watch_grant(first.grant_id) as wake:
        await two[1].grants.find_grant(first.grant_id)
        assert await two[0].grants.open_grant(pending_grant()[0]) == [first.grant_id]
        await asyncio.wait_for(wake, 5)


async def test_one_of_many_decisions_on_two_servers_wins_for_each_grant(two: Two) -> None:
    grants = [pending_grant(identity=other_machine(n))[0] for n in range(20)]
    await asyncio.gather(*(two[0].grants.open_grant(grant) for grant in grants))

    async def decide(number: int, grant: DeviceGrant) -> DeviceGrant | Refusal:
        decision = decision_by(f"operator-{number}", NOW)
        return await two[number % 2].grants.change_grant(grant.grant_id, lambda g: g.approve(decision, "a.yaml"))

    outcomes = await asyncio.gather(*(decide(n, grant) for grant in grants for n in range(10)))
    winners = {outcome.grant_id: outcome for outcome in outcomes if isinstance(outcome, DeviceGrant)}
    assert len(winners) == sum(isinstance(outcome, DeviceGrant) for outcome in outcomes) == 20
    for grant in grants:
        assert await two[0].grants.find_grant(grant.grant_id) == winners[grant.grant_id]


async def test_a_machine_that_asks_two_servers_at_once_has_one_pending_request(two: Two) -> None:
    requests: list[DeviceGrant] = []
    replaced: list[str] = []
    for _ in range(20):
        pair = [pending_grant()[0] for _ in two]
        requests += pair
        for ids in await asyncio.gather(*(two[n].grants.open_grant(grant) for n, grant in enumerate(pair))):
            replaced += ids
        (pending,) = await two[0].grants.pending_grants(NOW, 10)
        assert pending in pair
        assert sorted([*replaced, pending.grant_id]) == sorted(grant.grant_id for grant in requests)


async def test_many_machines_on_two_servers_each_get_their_own_entry_and_token(two: Two) -> None:
    machines = [pending_grant(identity=other_machine(n)) for n in range(60)]

    async def one(number: int) -> None:
        grant, code = machines[number]
        here, there = two[number % 2].grants, two[(number + 1) % 2].grants
        await here.open_grant(grant)
        digest = access_token_digest(access_token(code, grant.token_salt))
        redeem = partial(DeviceGrant.redeem, client_id="talos", token_digest=digest, rules=GrantRules(), now=NOW)
        entry, people = f"{number}.yaml", [decision_by(name, NOW) for name in ("ana", "ben")]
        approvals = [partial(DeviceGrant.approve, decision=person, entry=entry) for person in people]
        deciding = zip((here, there), approvals, strict=True)
        decided = await asyncio.gather(*(store.change_grant(grant.grant_id, rule) for store, rule in deciding))
        assert sum(isinstance(outcome, DeviceGrant) for outcome in decided) == 1
        polls = await asyncio.gather(*(store.change_grant(grant.grant_id, redeem) for store in (here, there)))
        assert all(isinstance(outcome, DeviceGrant) for outcome in polls)
        found = await there.find_by_token(digest)
        assert found is not None
        assert (found.grant_id, found.entry, found.state) == (grant.grant_id, entry, GrantState.REDEEMED)

    await asyncio.gather(*(one(number) for number in range(len(machines))))
    assert await two[0].grants.pending_grants(NOW, 100) == []


async def test_a_transaction_that_loses_a_race_is_retried(postgres: Cluster, address: PostgresAddress) -> None:
    isolate(postgres, address, "serializable")
    connections = Connections(address, 2)
    await connections.open()
    seen: list[int] = []

    async def count_up(connection: Connection) -> None:
        async with connection.transaction():
            row = await (await connection.execute("SELECT number FROM counted")).fetchone()
            assert row is not None
            seen.append(row[0])
            if len(seen) == 1:
                # Another connection is faster, between our read and our write.
                await connections.run(lambda other: other.execute("UPDATE counted SET number = 10"))
            await connection.execute("UPDATE counted SET number = %s", (row[0] + 1,))

    try:
        await connections.run(lambda connection: connection.execute("CREATE TABLE counted AS SELECT 0 AS number"))
        await connections.run(count_up, look_first=True)
        row = await connections.run(lambda c: c.execute("SELECT number FROM counted"))
        assert (seen, await row.fetchone()) == ([0, 10], (11,))
    finally:
        await connections.close()


async def test_a_session_of_one_server_is_valid_on_the_other(two: Two) -> None:
    ana = Operator("ana", "hash", NOW, Role.ADMIN, seen_at=NOW)
    await two[0].operators.add_operator(ana)
    session = Session(b"s" * 32, "ana", NOW, NOW, NOW, "session")
    await two[0].operators.open_session(session)
    assert await two[1].operators.find_session(session.digest) == (session, ana)


async def test_servers_must_agree_on_what_they_share(two: Two) -> None:
    assert await two[0].agrees("code key", "one")
    assert await two[1].agrees("code key", "one")
    assert not await two[1].agrees("code key", "other")


async def test_polls_of_a_pending_grant_read_no_row_and_still_hear_the_decision(two: Two) -> None:
    await hearing(two)
    grant, _ = pending_grant()
    await two[0].grants.open_grant(grant)
    assert await two[1].grants.find_by_device_code(grant.device_code_digest) == grant
    read = [transactions(database) for database in two]
    for database in two:
        for _ in range(10):
            assert await database.grants.find_by_device_code(grant.device_code_digest) == grant
            assert await database.grants.find_watched(grant.grant_id) == grant
    assert [transactions(database) for database in two] == read
    with two[1].grants.watch_grant(grant.grant_id) as wake:
        assert await two[1].grants.find_watched(grant.grant_id) == grant
        denied = await two[0].grants.change_grant(grant.grant_id, DENY)
        await asyncio.wait_for(wake, 10)
        assert await two[1].grants.find_watched(grant.grant_id) == denied
    assert await two[1].grants.find_by_device_code(grant.device_code_digest) == denied


async def test_a_deaf_server_answers_no_poll_from_memory(postgres: Cluster, address: PostgresAddress) -> None:
    without_notifications(postgres, address, "BEGIN END")
    async with both(address) as two:
        grant, _ = pending_grant()
        await two[1].grants.open_grant(grant)
        assert await two[1].grants.find_watched(grant.grant_id) == grant
        denied = await two[0].grants.change_grant(grant.grant_id, DENY)
        assert await two[1].grants.find_watched(grant.grant_id) == denied
        assert await two[1].grants.find_by_device_code(grant.device_code_digest) == denied


def transactions(database: PostgresDatabase) -> int:
    """Return how many transactions a server has made."""
    return sum(count for bound, count in database.counts.transactions.cumulative() if bound == "+Inf")


async def test_the_servers_of_a_database_are_counted(two: Two) -> None:
    await hearing(two)
    assert [await database.servers() for database in two] == [2, 2]


async def test_the_servers_are_unknown_to_one_that_hears_nothing(address: PostgresAddress) -> None:
    async with open_postgres(address, 2) as database:
        assert await database.servers() is None


async def test_a_login_begun_at_one_server_is_approved_at_the_other_and_taken_once(two: Two) -> None:
    clock, entropy = FakeClock(), CountedEntropy()
    here, there = (
        CommandLineLogins(
            database.logins, api_tokens(database, clock, entropy, None), LoginCodes(b"k" * 32), clock, entropy
        )
        for database in two
    )
    ana = Operator("ana", "", NOW, Role.APPROVER)
    await two[0].operators.add_operator(ana)
    begun = await here.begin(Wishes("laptop", "ana", "10.0.0.9"))
    assert begun is not None
    assert await there.find(begun.digits) is not None
    assert await there.approve(begun.digits, Role.VIEWER, (), 3600.0, ana, VIA_SESSION) is True
    taken = await asyncio.gather(*(server.take(begun.secret) for server in (here, there, here, there)))
    [token] = [one for one in taken if isinstance(one, NewToken)]
    assert [one for one in taken if one is not token] == [NoToken.UNKNOWN] * 3
    actor = await here.tokens.authenticate(token.secret)
    assert (actor.owner, actor.role) == ("ana", Role.VIEWER) if actor else False

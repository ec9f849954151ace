"""Connections to PostgreSQL: the address, a bounded pool, and retries after a broken connection or a lost race."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.database import StoreCounts
from bootgrant.store.rows import Row
from bootgrant.wire.secret import Secret

log = logging.getLogger("bootgrant.store")
Connection = AsyncConnection[Row]
T = TypeVar("T")

PATIENCE: Final = 4.0
"""Seconds that a request waits for a database that is restarting before it fails."""

_ONE_TRY: Final = 1.0
_PAUSE: Final = 0.1
_MOST_WAITING: Final = 1000
_LOST_RACE = (errors.SerializationFailure, errors.DeadlockDetected)
_SESSION = (
    # An answer leaves only after its row is on disk, even if the database's default is not to wait.
    "SELECT CASE WHEN current_setting('synchronous_commit', true) = 'off' "
    "THEN set_config('synchronous_commit', 'on', false) END, "
    # A server that freezes in the middle of a transaction does not lock its rows for the others.
    "set_config('idle_in_transaction_session_timeout', '10s', false)"
)
UNKNOWN: Final = "; whether the change was made is not known"
_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "bootgrant",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    # With these a vanished database host is noticed in seconds, not after the kernel's quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """``url`` as libpq reads it (``postgresql://user@host/database?sslmode=verify-full``).

    The password may be in the URL, in ``password_file`` (its first line, read for each connection, so that it may
    change), or where libpq looks (``PGPASSWORD``, ``~/.pgpass``).
    """

    url: Secret
    password_file: Path | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the arguments of a connection. Raises StoreUnavailable when the password cannot be read."""
        given = self._given()
        if self.password_file is not None:
            given["password"] = _first_line(self.password_file)
        return {**_DEFAULTS, **given}

    def __str__(self) -> str:
        given = self._given()
        user = f"{given['user']}@" if "user" in given else ""
        port = f":{given['port']}" if "port" in given else ""
        return f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"

    def problem(self) -> str:
        """Return what is wrong with the URL, without quoting it; empty if nothing is."""
        try:
            self._given()
        except psycopg.ProgrammingError:
            return "not a PostgreSQL URL: write postgresql://user@host:5432/database"
        return ""

    def _given(self) -> dict[str, Any]:
        return dict(conninfo_to_dict(self.url.reveal()))


def _first_line(path: Path) -> str:
    try:
        found = path.read_text("utf-8").partition("\n")[0].strip("\r")
    except OSError as error:
        raise StoreUnavailable(f"the database password cannot be read from {path} ({error.strerror})") from error
    except UnicodeDecodeError:
        # Its text shows bytes of the password.
        raise StoreUnavailable(f"the database password cannot be read from {path} (it is not UTF-8)") from None
    if "\0" in found:
        raise StoreUnavailable(f"the database password in {path} has a NUL byte, which PostgreSQL does not take")
    return found


class OutcomeUnknown(StoreUnavailable):
    """The connection broke before the answer to a write arrived, so the write may have been made."""


class NotingConnection(AsyncConnection[Row]):
    """``took_away``: the current work, or the last one, appended an audit record that takes rights away."""

    took_away = False


async def _nothing() -> None:
    """What follows such a commit if nobody wants to know."""


class Connections:
    """A pool of at most ``most`` connections."""

    def __init__(self, address: PostgresAddress, most: int) -> None:
        self._address = address
        self.counts = StoreCounts()
        self.after_taking_away: Callable[[], Awaitable[None]] = _nothing
        """Called after work that took rights away, before its caller is answered. Never raises."""
        self._pool: AsyncConnectionPool[NotingConnection] = AsyncConnectionPool(
            "",
            connection_class=NotingConnection,
            kwargs=self._parameters,
            min_size=1,
            max_size=most,
            open=False,
            configure=_prepare,
            timeout=_ONE_TRY,
            max_waiting=_MOST_WAITING,
            # Waiting requests have a new connection made at once; the pool's growing pauses are for idle times.
            reconnect_timeout=_ONE_TRY,
            name="bootgrant",
        )

    def _parameters(self) -> dict[str, Any]:
        return {**self._address.parameters(), "autocommit": True}

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def fetch(self, statement: str, values: Sequence[object] = (), *, binary: bool = False) -> list[Row]:
        """Run one statement that may be repeated; return its rows. Raises StoreUnavailable."""

        async def work(connection: Connection) -> list[Row]:
            cursor = connection.cursor(binary=binary)
            await cursor.execute(statement, values)
            return await cursor.fetchall()

        return await self.run(work)

    async def execute(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> int:
        """Run one statement that may be repeated; return how many rows it changed. Raises StoreUnavailable."""

        async def work(connection: Connection) -> int:
            return (await connection.execute(statement, values)).rowcount

        return await self.run(work)

    async def run(self, work: Callable[[Connection], Awaitable[T]], *, look_first: bool = False) -> T:
        """Run ``work`` on a connection in autocommit mode: again after a lost race, and on another connection when one
        breaks, for at most PATIENCE.

        ``look_first`` is for writes that must not be made twice: a broken connection then raises OutcomeUnknown. Raises
        StoreUnavailable for every other failure of the database, but leaves violated constraints to the caller.
        """
        began, took_away = asyncio.get_running_loop().time(), False

        async def noting(connection: Connection) -> T:
            nonlocal took_away
            if isinstance(connection, NotingConnection):
                connection.took_away = False
            done = await work(connection)
            took_away = isinstance(connection, NotingConnection) and connection.took_away
            return done

        try:
            outcome = await self._until(began + PATIENCE, noting, look_first=look_first)
        except StoreUnavailable:
            self.counts.failures += 1
            raise
        self.counts.transactions.add(asyncio.get_running_loop().time() - began)
        if took_away:
            await self.after_taking_away()
        return outcome

    async def _until(self, until: float, work: Callable[[Connection], Awaitable[T]], *, look_first: bool) -> T:
        while True:
            try:
                async with asyncio.timeout_at(until):
                    outcome = await self._once(work, look_first=look_first)
            except TimeoutError:
                doubt = UNKNOWN if look_first else ""
                raise StoreUnavailable(f"the database does not answer within {PATIENCE:.0f} s{doubt}") from None
            except _Again as again:
                if asyncio.get_running_loop().time() + again.pause >= until:
                    raise StoreUnavailable(f"the database cannot be used: {again.reason}") from again
                await asyncio.sleep(again.pause)
            else:
                return outcome

    async def _once(self, work: Callable[[Connection], Awaitable[T]], *, look_first: bool) -> T:
        connection: Connection | None = None
        try:
            async with self._pool.connection() as connection:
                return await work(connection)
        except (psycopg.IntegrityError, psycopg.DataError):
            raise
        except PoolClosed as error:
            raise StoreUnavailable("the server is stopping") from error
        except _LOST_RACE as error:
            raise _Again(random.uniform(0, _PAUSE / 10), "other servers keep changing the same rows") from error  # noqa: S311
        except errors.ReadOnlySqlTransaction as error:
            # The primary has become a standby: the next connection finds the new primary.
            if connection is not None:
                await connection.close()
            raise _Again(_PAUSE, reason_of(error)) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if connection is None:
                raise _Again(_PAUSE, reason_of(error)) from error
            if not connection.closed and not isinstance(error, errors.StatementCompletionUnknown):
                raise StoreUnavailable(f"the database refuses: {reason_of(error)}") from error
            if look_first:
                raise OutcomeUnknown(f"the database is gone: {reason_of(error)}{UNKNOWN}") from error
            raise _Again(_PAUSE, reason_of(error)) from error
        except psycopg.Error as error:
            raise StoreUnavailable(f"the database refuses: {reason_of(error)}") from error


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[None]:
    """Run the block as one transaction in one round trip, unless results are fetched. ``run`` rolls it back.

    psycopg's own transaction() waits for an answer to each BEGIN and COMMIT.
    """
    async with connection.pipeline():
        await connection.execute("BEGIN")
        yield
        await connection.execute("COMMIT")


class _Again(Exception):
    """Try again after ``pause`` seconds."""

    def __init__(self, pause: float, reason: str) -> None:
        super().__init__(reason)
        self.pause = pause
        self.reason = reason


async def _prepare(connection: Connection) -> None:
    try:
        await connection.execute(_SESSION)
    except psycopg.Error as error:
        log.warning("this database does not take PostgreSQL's session settings: %s", reason_of(error))


def reason_of(error: psycopg.Error) -> str:
    """Return the error as one line.

    libpq's messages repeat a host, a port or a user, but never a password. A part of a password can be none of these:
    the settings refuse a URL that libpq reads in another way than it was meant (service/settings/urls.py).
    """
    return " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__

"""The stores that the contract is checked on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bootgrant.ports.grants import GrantStore
from bootgrant.ports.people import OperatorStore
from bootgrant.store.database import Database
from bootgrant.store.postgres.database import open_postgres
from bootgrant.store.sqlite.database import SqliteDatabase
from support.grants import NOW
from support.memory.database import MemoryDatabase


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def database(request: Any, tmp_path: Path) -> AsyncIterator[Database]:
    """Each store in turn."""
    async with AsyncExitStack() as stack:
        match request.param:
            case "memory":
                yield MemoryDatabase()
            case "sqlite":
                yield stack.enter_context(SqliteDatabase(tmp_path, NOW))
            case _:
                address = request.getfixturevalue("address")
                yield await stack.enter_async_context(open_postgres(address, 4))


@pytest.fixture
def store(database: Database) -> GrantStore:
    return database.grants


@pytest.fixture
def operators(database: Database) -> OperatorStore:
    return database.operators

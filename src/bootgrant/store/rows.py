"""Rows of either database: one set of statements for both, with ``?`` for each value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bootgrant.approval.audit import AuditEvent

Row = tuple[Any, ...]
Value = str | bytes | int | float | None
Statement = tuple[str, tuple[Value, ...]]
AuditOfRow = Callable[[Row], AuditEvent]
"""Makes the event of a change from the row that the first statement of the change returned."""


class Rows(Protocol):
    """A database that runs these statements. Both methods raise StoreUnavailable."""

    async def read(self, statement: str, *values: Value) -> Sequence[Row]: ...

    async def write(self, *statements: Statement, audit: AuditOfRow | None = None) -> Sequence[Row]:
        """Run the statements in one transaction; return the rows of the first one's RETURNING clause, if it has one.

        The events that ``audit`` makes of these rows are appended to the audit in the same transaction.
        """


class RowStore:
    """A store that only needs rows."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows


def listed(columns: Sequence[str], table: str = "") -> str:
    """Return the columns as a SELECT lists them, each with its table's alias if there is one."""
    return ", ".join(f"{table}.{name}" if table else name for name in columns)


def insert_into(table: str, columns: Sequence[str], mark: str = "?") -> str:
    """Return an INSERT of one row with all ``columns``."""
    return f"INSERT INTO {table} ({listed(columns)}) VALUES ({', '.join([mark] * len(columns))})"

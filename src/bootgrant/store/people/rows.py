"""What a database does for the statements of this folder. Values stand for ``?``, in both databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Row = tuple[Any, ...]
Value = str | bytes | int | float | None
Statement = tuple[str, tuple[Value, ...]]


class Rows(Protocol):
    """Both methods raise StoreUnavailable."""

    async def read(self, statement: str, *values: Value) -> Sequence[Row]: ...

    async def write(self, *statements: Statement) -> Sequence[Row]:
        """Do them in one transaction, and return what the first one's RETURNING gave (nothing without one)."""

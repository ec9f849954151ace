"""What auditors and admins see of tables that may hold secrets: only the keys that never do, written as TOML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

NOT_SHOWN: Final = "…"
"""In place of the value of any other key."""

_FREE: Final = frozenset({"claims"})
"""Keys of tables whose own keys are names of claims."""


def summary_of(*keys: str) -> Callable[[object], str]:
    """Return a function that writes each table on a line, with the values of ``keys``, also in tables inside it."""
    shown = frozenset(keys)

    def summary(value: object) -> str:
        rows = [value] if isinstance(value, Mapping) else value
        return "\n".join(_row(row, shown) for row in rows) if isinstance(rows, (list, tuple)) else ""

    return summary


def _row(row: object, shown: frozenset[str]) -> str:
    if not isinstance(row, Mapping):
        return NOT_SHOWN
    return ", ".join(f"{key} = {_value(key, value, shown)}" for key, value in row.items())


def _value(key: str, value: object, shown: frozenset[str]) -> str:
    if key not in shown:
        return NOT_SHOWN
    if key in _FREE:
        return _plain(value)
    if isinstance(value, Mapping):
        return f"{{{_row(value, shown)}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(row, Mapping) for row in value):
        return f"[{', '.join(f'{{{_row(row, shown)}}}' for row in value)}]"
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {_plain(inner)}' for key, inner in value.items())}}}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else str(value)

"""What stands in one row of an array of tables of bootgrant.toml (``[[oidc]]``, ``[[notify]]``, ``[[providers]]``).

Every function raises ValueError for what it cannot take, and repeats no secret in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from bootgrant.wire.secret import Secret

Row = Mapping[str, Any]

SHORTEST_SECRET: Final = 16
"""Characters of a secret that somebody else could try to guess."""


def rows_of(value: object, how: str) -> tuple[Row, ...]:
    """The rows; ``how`` says how to write one."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(row, dict) for row in value):
        raise ValueError(how)
    return tuple(value)


def refuse_unknown(row: Row, known: Collection[str], what: str) -> None:
    """A key that is none of ``known``."""
    if unknown := sorted(set(row) - set(known)):
        raise ValueError(f"{what} has no {unknown[0]!r}; it has {', '.join(sorted(known))}")


def text(row: Row, key: str, default: str | None = None) -> str:
    """A text that is not empty, or ``default`` where the key is absent."""
    value = row.get(key, default)
    if value is None:
        raise ValueError(f"{key} is missing")
    if not isinstance(value, str) or (key in row and not value):
        raise ValueError(f"{key}: expected a text")
    return value


def texts(row: Row, key: str) -> tuple[str, ...]:
    """A list of texts; one text is a list of one, an absent one is empty."""
    value = row.get(key, [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) and item for item in values):
        raise ValueError(f"{key}: expected a list of texts")
    return tuple(values)


def flag(row: Row, key: str) -> bool:
    """True or false; false where the key is absent."""
    value = row.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key} is true or false")  # noqa: TRY004  (a setting, not a programmer's type)
    return value


def secret(row: Row, key: str, base: Path, *, shortest: int = 1) -> Secret:
    """The first line of the file that ``key`` names, below ``base`` unless absolute."""
    return first_line(key, base / Path(text(row, key)).expanduser(), shortest)


def first_line(key: str, path: Path, shortest: int) -> Secret:
    """The first line of a file, without space around it; ``shortest`` are the characters that it must have."""
    try:
        found = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the {key} {path} cannot be read: {error}") from None
    if not found:
        raise ValueError(f"the first line of the {key} {path} is empty")
    if len(found) < shortest:
        raise ValueError(f"the secret in {path} is shorter than {shortest} characters: `openssl rand -hex 32`")
    return Secret(found)

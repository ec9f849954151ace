"""Tables and arrays of tables in ``bootgrant.toml``: how a row is read, and the tables that every site may have.

Every function raises ValueError for a value it cannot use, and repeats no secret in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

from bootgrant.approval.policy import BUILT_IN, Network, Rule, Vocabulary
from bootgrant.machine_plane.clients import Client
from bootgrant.service.settings.forms import did_you_mean, file, network, one_of, seconds
from bootgrant.wire.secret import Secret

E = TypeVar("E", bound=Enum)

SHORTEST_SECRET: Final = 16
"""Characters in a secret that others could try to guess."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_LONGEST_COMMAND: Final = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the array of tables ``[[table]]``; relative paths start from ``base``."""

    table: str
    cells: Mapping[str, object]
    base: Path

    def __contains__(self, key: str) -> bool:
        return key in self.cells

    def allow(self, keys: Collection[str]) -> None:
        """Refuse every other key."""
        if unknown := sorted(self.cells.keys() - set(keys)):
            raise ValueError(f"[[{self.table}]] has no key {unknown[0]!r}{did_you_mean(unknown[0], keys)}")

    def text(self, key: str, default: str | None = None) -> str:
        """A string that is not empty, or ``default`` if the key is absent."""
        value = self.cells.get(key, default)
        if value is None:
            raise ValueError(f"{key} is missing")
        if not isinstance(value, str) or (key in self and not value):
            raise ValueError(f"{key}: expected a string")
        return value

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of strings. A single string is a list of one; an absent key is an empty list unless ``required``."""
        if required and key not in self:
            raise ValueError(f"{key} is missing")
        value = self.cells.get(key, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(item, str) and item for item in values):
            raise ValueError(f"{key}: expected a string or a list of strings")
        return tuple(values)

    def flag(self, key: str) -> bool:
        """True or false; false if the key is absent."""
        value = self.cells.get(key, False)
        if not isinstance(value, bool):
            raise ValueError(f"{key}: expected true or false")  # noqa: TRY004  (a file's content)
        return value

    def name(self) -> str:
        """The ``name`` of a network, a command or a rule."""
        return checked_name(self.text("name"))

    def seconds(self, key: str, default: str) -> float:
        """A duration."""
        try:
            return seconds(self.text(key, default))
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None

    def one_of(self, key: str, values: type[E], default: E | None = None) -> E:
        """One of the values of an enum."""
        if key not in self and default is not None:
            return default
        try:
            return one_of(values).parse(self.text(key), self.base)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None

    def file(self, key: str) -> Path:
        """A path."""
        return file(self.text(key), self.base)

    def secret(self, key: str, *, shortest: int = 1) -> Secret:
        """The first line of the file that ``key`` names."""
        return first_line(key, self.file(key), shortest)

    def rows(self, key: str) -> tuple[Row, ...]:
        """The rows of an array of tables in this row."""
        return rows_of(self.cells.get(key, []), f"{self.table}.{key}", self.base)


def rows_of(value: object, table: str, base: Path) -> tuple[Row, ...]:
    """The rows of ``[[table]]``."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(row, dict) for row in value):
        raise ValueError(f"expected tables, each written as [[{table}]]")
    return tuple(Row(table, row, base) for row in value)


def first_line(key: str, path: Path, shortest: int) -> Secret:
    """The first line of a file without surrounding space, which must have ``shortest`` characters."""
    try:
        found = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the {key} {path} cannot be read: {error}") from None
    if not found:
        raise ValueError(f"the first line of the {key} {path} is empty")
    if len(found) < shortest:
        raise ValueError(
            f"the secret in {path} is shorter than {shortest} characters; `openssl rand -hex 32` makes a good one"
        )
    return Secret(found)


def checked_name(value: str) -> str:
    """A name of letters, digits, ``-``, ``_`` and ``.``."""
    if not _NAME.fullmatch(value):
        raise ValueError(f'{value!r} is not a name; use letters, digits, "-", "_" and "."')
    return value


def parse_clients(value: object, base: Path) -> Mapping[str, Client]:
    """``[[clients]]``, or a list of their ids."""
    rows = [{"id": row} if isinstance(row, str) else row for row in value] if isinstance(value, (list, tuple)) else []
    if not rows:
        raise ValueError("expected at least one client, written as [[clients]] with an id")
    clients = [_client(row) for row in rows_of(rows, "clients", base)]
    if len({client.client_id for client in clients}) != len(clients):
        raise ValueError("two clients have the same id")
    return {client.client_id: client for client in clients}


def _client(row: Row) -> Client:
    row.allow(("id", "secret_file", "any_token"))
    shared = row.secret("secret_file", shortest=SHORTEST_SECRET) if "secret_file" in row else None
    return Client(row.text("id"), shared, row.flag("any_token"))


def show_clients(value: object) -> str:
    """The ids of ``[[clients]]`` as they were written."""
    rows = value if isinstance(value, (list, tuple)) else ()
    return ", ".join(str(row.get("id", "")) if isinstance(row, dict) else str(row) for row in rows)


def parse_network_names(value: object, _base: Path) -> Mapping[str, tuple[Network, ...]]:
    """``[networks.names]``: each name with a network or a list of networks."""
    if value in ((), []):
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004  (a file's content)
            'expected a table: [networks.names], then lines such as fra-rack4 = "10.20.4.0/24"'
        )
    return {checked_name(name): _networks(name, given) for name, given in value.items()}


def _networks(name: str, given: object) -> tuple[Network, ...]:
    written = [given] if isinstance(given, str) else given
    if not isinstance(written, list) or not written:
        raise ValueError(f"{name}: expected a network or a list of networks, found {given!r}")
    return tuple(network(item) for item in written)


@dataclass(frozen=True, slots=True)
class EvidenceCommand:
    """One of ``[[evidence.exec]]``; ``limit`` and ``keeps`` in seconds."""

    name: str
    command: tuple[str, ...]
    limit: float
    keeps: float


def parse_commands(value: object, base: Path) -> tuple[EvidenceCommand, ...]:
    """``[[evidence.exec]]``."""
    rows = [value] if isinstance(value, dict) else value
    commands = tuple(_command(row) for row in rows_of(rows, "evidence.exec", base))
    taken = set(BUILT_IN)
    for command in commands:
        if command.name in taken:
            raise ValueError(f"the name {command.name!r} is taken: give this command another one")
        taken.add(command.name)
    return commands


def _command(row: Row) -> EvidenceCommand:
    row.allow(("name", "command", "limit", "keeps"))
    name = row.name()
    command = row.texts("command", required=True)
    if isinstance(row.cells["command"], str) or not command or not command[0].startswith("/"):
        raise ValueError(f'{name}: write the command as a list that begins with a full path: ["/usr/bin/x", "-v"]')
    limit = row.seconds("limit", "5s")
    if not 0 < limit <= _LONGEST_COMMAND:
        raise ValueError(f'{name}: limit must be more than "0s" and at most "{_LONGEST_COMMAND:.0f}s"')
    return EvidenceCommand(name, command, limit, row.seconds("keeps", "10m"))


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """One of ``[[rules]]`` as it is written: its networks and evidence may be names that other settings define."""

    name: str
    select: tuple[str, ...]
    networks: tuple[str, ...]
    evidence: tuple[str, ...]

    def rule(self, vocabulary: Vocabulary) -> Rule:
        """The rule that these words mean."""
        return Rule(self.name, vocabulary.conditions(self.select, self.networks, self.evidence))


def parse_rules(value: object, base: Path) -> tuple[WrittenRule, ...]:
    """``[[rules]]``."""
    rules = tuple(_rule(row) for row in rows_of(value, "rules", base))
    names = [rule.name for rule in rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two rules have the name {twice!r}")
    return rules


def _rule(row: Row) -> WrittenRule:
    row.allow(("name", "select", "networks", "evidence"))
    name = row.name()
    select, networks, evidence = (row.texts(key, required=True) for key in ("select", "networks", "evidence"))
    if not select:
        raise ValueError(f'{name}: select is empty; write ["*"] to select every entry')
    return WrittenRule(name, select, networks, evidence)

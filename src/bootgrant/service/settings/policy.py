"""The settings of those who decide: names of networks, commands that give evidence, rules."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bootgrant.approval.policy import BUILT_IN, Network, Rule, Vocabulary

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_LIMIT: Final = "5s"
_KEEPS: Final = "10m"
_LONGEST: Final = 60.0


@dataclass(frozen=True, slots=True)
class EvidenceCommand:
    """One of ``[[evidence.exec]]``; ``limit`` and ``keeps`` in seconds."""

    name: str
    command: tuple[str, ...]
    limit: float
    keeps: float


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What the site says about deciding."""

    network_names: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)
    commands: tuple[EvidenceCommand, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def vocabulary(self) -> Vocabulary:
        """The names that rules and windows may use."""
        return Vocabulary(self.network_names, frozenset(command.name for command in self.commands))


def parse_names(value: object) -> Mapping[str, tuple[Network, ...]]:
    """``[networks.names]``: a name and its network, or a list of them. Raises ValueError."""
    if value in ((), []):
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004  (a file's content, not a programmer's type)
            'expected a table: [networks.names], then lines such as fra-rack4 = "10.20.4.0/24"'
        )
    return {_name(name): tuple(_network(text) for text in _texts(given)) for name, given in value.items()}


def parse_commands(value: object, duration: Callable[[str], float]) -> tuple[EvidenceCommand, ...]:
    """``[[evidence.exec]]``. Raises ValueError."""
    commands: list[EvidenceCommand] = []
    for row in _rows(value, "evidence.exec", {"name", "command"}, {"limit", "keeps"}):
        name = _name(row["name"])
        if name in BUILT_IN or any(name == other.name for other in commands):
            raise ValueError(f"the name {name!r} is taken: give this command another one")
        command = _texts(row["command"])
        if isinstance(row["command"], str) or not command[0].startswith("/"):
            raise ValueError(f'{name}: write the command as a list that begins with a full path: ["/usr/bin/x", "-v"]')
        limit = duration(row.get("limit", _LIMIT))
        if not 0 < limit <= _LONGEST:
            raise ValueError(f'{name}: limit is at most "{_LONGEST:.0f}s"')
        commands.append(EvidenceCommand(name, tuple(command), limit, duration(row.get("keeps", _KEEPS))))
    return tuple(commands)


def parse_rules(value: object, policy: PolicySettings) -> tuple[Rule, ...]:
    """``[[rules]]``; ``policy`` knows the names of networks and of evidence. Raises ValueError."""
    rules: list[Rule] = []
    for row in _rows(value, "rules", {"name", "select", "networks", "evidence"}, set()):
        name = _name(row["name"])
        if any(name == other.name for other in rules):
            raise ValueError(f"two rules have the name {name!r}")
        places = _texts(row["networks"], may_be_empty=True)
        evidence = _texts(row["evidence"], may_be_empty=True)
        rules.append(Rule(name, policy.vocabulary.conditions(_texts(row["select"]), places, evidence)))
    return tuple(rules)


def _rows(value: object, what: str, needed: set[str], allowed: set[str]) -> Sequence[Mapping[str, Any]]:
    rows: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    for row in rows:
        if not isinstance(row, Mapping):
            raise ValueError(f"expected tables: [[{what}]]")  # noqa: TRY004  (a file's content)
        if missing := sorted(needed - set(row)):
            raise ValueError(f"each of [[{what}]] says {', '.join(sorted(needed))}; here {missing[0]} is missing")
        if unknown := sorted(set(row) - needed - allowed):
            raise ValueError(f"[[{what}]] has no {unknown[0]!r}; it has {', '.join(sorted(needed | allowed))}")
    return rows


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f'{value!r} is no name; letters, digits, "-", "_" and "." make one')
    return value


def _texts(value: object, *, may_be_empty: bool = False) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"expected a text or a list of texts, found {value!r}")
    if not texts and not may_be_empty:
        raise ValueError("expected at least one text, found an empty list")
    return list(texts)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a network (10.20.0.0/16) nor one of networks.names") from None

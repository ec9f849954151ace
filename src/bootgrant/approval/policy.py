"""What a decision needs: how many people, or a rule or armed window instead of a person.

A machine is approved without a person only by a rule of ``bootgrant.toml`` or an armed window, only when no evidence
contradicts its claim, and never when it is a control plane or needs two people.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Protocol

from bootgrant.approval.evidence import Check, Verdict, confirms
from bootgrant.approval.operators import Author

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_TERMS: Final = 16


class Entry(Protocol):
    """What the policy asks of an entry (ports.configurations.MachineEntry)."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def approvals(self) -> int: ...
    @property
    def is_control_plane(self) -> bool: ...


def needed_approvals(entry: Entry) -> int:
    """How many different people must approve: two for a control plane, or what the entry says when that is more."""
    return max(entry.approvals, 2 if entry.is_control_plane else 1)


class BadSelector(ValueError):
    """A text that is no selector; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Entries by label and name: ``site=fra,worker-*`` means both. Values are patterns of ``*``, ``?`` and ``[…]``.

    Made by ``parse_selector``. ``labels`` are pairs of a key and a pattern, ``names`` are patterns of the entry's name.
    """

    labels: tuple[tuple[str, str], ...]
    names: tuple[str, ...]

    def matches(self, entry: Entry) -> bool:
        """Whether every term holds. An entry without a label has no value for it, so no pattern fits."""
        has = entry.labels
        return all(key in has and fnmatchcase(has[key], pattern) for key, pattern in self.labels) and all(
            fnmatchcase(entry.name, pattern) for pattern in self.names
        )

    def __str__(self) -> str:
        return ",".join([*(f"{key}={pattern}" for key, pattern in self.labels), *self.names])


def parse_selector(text: str) -> Selector:
    """The selector that ``text`` writes. Raises BadSelector."""
    terms = [term.strip() for term in text.split(",")]
    if not all(terms) or len(terms) > _MOST_TERMS or not text.isprintable():
        raise BadSelector(
            f'{text!r} selects nothing: write labels and names such as "site=fra,role=worker" or "rack4-*"'
        )
    pairs = [term.partition("=") for term in terms if "=" in term]
    if not all(key.strip() and pattern.strip() for key, _, pattern in pairs):
        raise BadSelector(f'{text!r} has a label without name or value: write "site=fra", or "site=*" for any')
    labels = tuple((key.strip(), pattern.strip()) for key, _, pattern in pairs)
    return Selector(labels, tuple(term for term in terms if "=" not in term))


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a rule or window applies: any of the selectors, any of the networks (none: anywhere), all of the evidence.

    ``evidence`` are names of checks: each must speak for the machine.
    """

    select: tuple[Selector, ...]
    networks: tuple[Network, ...] = ()
    evidence: tuple[str, ...] = ()

    def obstacle(self, entry: Entry, address: str, checks: Sequence[Check]) -> str:
        """Why they do not hold for a machine at ``address``, as one line; empty when they do."""
        if not any(selector.matches(entry) for selector in self.select):
            return f"{entry.name} is not selected"
        if self.networks and not is_in(address, self.networks):
            return f"{address} is in none of its networks"
        return next((f"{name} does not speak for it" for name in self.evidence if not confirms(name, checks)), "")


BUILT_IN: Final = frozenset({"network", "inventory", "history"})
"""The evidence that every site has."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that the conditions of a site may use: of its networks, and of its evidence beside BUILT_IN."""

    networks: Mapping[str, tuple[Network, ...]]
    evidence: frozenset[str]

    def conditions(self, select: Sequence[str], networks: Sequence[str], evidence: Sequence[str]) -> Conditions:
        """The conditions that were written. Raises ValueError that says what to write."""
        if not select:
            raise BadSelector("nothing is selected: write labels or names such as site=fra or rack4-*")
        selectors = tuple(parse_selector(text) for text in select)
        known = BUILT_IN | self.evidence
        if unknown := sorted(set(evidence) - known):
            raise ValueError(f"there is no evidence {unknown[0]!r}; there is {', '.join(sorted(known))}")
        places = [place for text in networks for place in self.networks.get(text) or (_network(text),)]
        return Conditions(selectors, tuple(places), tuple(evidence))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a network (10.20.0.0/16) nor one of networks.names") from None


@dataclass(frozen=True, slots=True)
class Rule:
    """One of ``[[rules]]`` of the settings."""

    name: str
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Window:
    """An armed window: until ``until`` (Unix seconds), ``count`` machines may be approved; ``used`` have been."""

    window_id: str
    name: str
    conditions: Conditions
    author: Author
    armed_at: float
    until: float
    count: int
    used: int = 0

    @property
    def by(self) -> str:
        """The author as people read it."""
        return str(self.author)

    def is_open(self, now: float) -> bool:
        return now < self.until and self.used < self.count


def person_needed(entry: Entry, checks: Sequence[Check]) -> str:
    """Why a person must decide about this machine whatever the rules say, as one line; empty when none must."""
    needed = needed_approvals(entry)
    if needed > 1:
        return f"{entry.name} needs {needed} people"
    against = next((check for check in checks if check.verdict is Verdict.MISMATCH), None)
    return f"{against.name} speaks against it: {against.detail}" if against else ""


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address is in one of the networks. What is no address is in none."""
    try:
        place = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(place, ipaddress.IPv6Address) and place.ipv4_mapped is not None:
        place = place.ipv4_mapped
    return any(place in network for network in networks)


class NetworkNames:
    """``named`` maps a name to its networks. An address has the name of the smallest network that it is in."""

    def __init__(self, named: Mapping[str, Sequence[Network]]) -> None:
        pairs = [(network, name) for name, networks in named.items() for network in networks]
        self._smallest_first = sorted(pairs, key=lambda pair: (-pair[0].prefixlen, pair[1]))

    def name_of(self, address: str) -> str:
        """The name of the network that the address is in; empty when it is in none that has a name."""
        try:
            place = ipaddress.ip_address(address)
        except ValueError:
            return ""
        return next((name for network, name in self._smallest_first if place in network), "")


NO_NAMES = NetworkNames({})

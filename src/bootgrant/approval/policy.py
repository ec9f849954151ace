"""What a decision needs: how many people, or a rule or armed window instead of a person.

A machine is approved without a person only by a rule of ``bootgrant.toml`` or an armed window, only when no evidence
contradicts its claim, and never when it is precious (a control plane, or the keys of one) or needs two people.
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
    """What the policy needs to know of an entry (ports.configurations.MachineEntry)."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def approvals(self) -> int: ...
    @property
    def is_precious(self) -> bool: ...


def needed_approvals(entry: Entry) -> int:
    """Return how many people must approve: two for a precious entry, or the number in the entry if that is higher."""
    return max(entry.approvals, 2 if entry.is_precious else 1)


class BadSelector(ValueError):
    """The text is not a selector; the message shows what one looks like."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Selects entries by label and name; ``site=fra,worker-*`` requires both. Patterns have ``*``, ``?`` and ``[…]``.

    Made by ``parse_selector``. ``labels`` are pairs of a key and a pattern, ``names`` are patterns of the entry's name.
    """

    labels: tuple[tuple[str, str], ...]
    names: tuple[str, ...]

    def matches(self, entry: Entry) -> bool:
        """Return whether every term matches. A label that the entry does not have matches no pattern."""
        has = entry.labels
        return all(key in has and fnmatchcase(has[key], pattern) for key, pattern in self.labels) and all(
            fnmatchcase(entry.name, pattern) for pattern in self.names
        )

    def __str__(self) -> str:
        return ",".join([*(f"{key}={pattern}" for key, pattern in self.labels), *self.names])


def parse_selector(text: str) -> Selector:
    """Parse a selector. Raises BadSelector."""
    terms = [term.strip() for term in text.split(",")]
    if not all(terms) or len(terms) > _MOST_TERMS or not text.isprintable():
        raise BadSelector(
            f'{text!r} is not a selector: write labels and names such as "site=fra,role=worker" or "rack4-*"'
        )
    pairs = [term.partition("=") for term in terms if "=" in term]
    if not all(key.strip() and pattern.strip() for key, _, pattern in pairs):
        raise BadSelector(f'{text!r} has a label without a name or value: write "site=fra", or "site=*" for any value')
    labels = tuple((key.strip(), pattern.strip()) for key, _, pattern in pairs)
    return Selector(labels, tuple(term for term in terms if "=" not in term))


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a rule or window applies: any selector matches, the address is in any network (none: anywhere), and each of
    the named kinds of ``evidence`` confirms the claim."""

    select: tuple[Selector, ...]
    networks: tuple[Network, ...] = ()
    evidence: tuple[str, ...] = ()

    def obstacle(self, entry: Entry, address: str, checks: Sequence[Check]) -> str:
        """Return why they do not apply to a machine at ``address``, as one line; empty when they do."""
        if not any(selector.matches(entry) for selector in self.select):
            return f"{entry.name} is not selected"
        if self.networks and not is_in(address, self.networks):
            return f"{address} is not in its networks"
        missing = next((name for name in self.evidence if not confirms(name, checks)), "")
        return f"{missing} evidence does not confirm it" if missing else ""


BUILT_IN: Final = frozenset({"network", "inventory", "history"})
"""The kinds of evidence that every site has."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that conditions may use: of the site's networks, and of its own kinds of evidence besides BUILT_IN."""

    networks: Mapping[str, tuple[Network, ...]]
    evidence: frozenset[str]

    def conditions(self, select: Sequence[str], networks: Sequence[str], evidence: Sequence[str]) -> Conditions:
        """Parse conditions. Raises ValueError with a message that says what to write."""
        if not select:
            raise BadSelector("the selector is missing: write labels or names such as site=fra or rack4-*")
        selectors = tuple(parse_selector(text) for text in select)
        known = BUILT_IN | self.evidence
        if unknown := sorted(set(evidence) - known):
            raise ValueError(f"there is no evidence named {unknown[0]!r}; this site has {', '.join(sorted(known))}")
        found = [network for text in networks for network in self.networks.get(text) or (_network(text),)]
        return Conditions(selectors, tuple(found), tuple(evidence))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a network (10.20.0.0/16) nor a name in networks.names") from None


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
    """Return why only a person may decide about this machine, as one line; empty when a rule may."""
    needed = needed_approvals(entry)
    if needed > 1:
        return f"{entry.name} needs {needed} people"
    against = next((check for check in checks if check.verdict is Verdict.MISMATCH), None)
    return f"{against.name} evidence mismatches: {against.detail}" if against else ""


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Return whether the address is in one of the networks; False for a text that is not an address."""
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in networks)


class NetworkNames:
    """The site's names for networks (``networks.names``). An address has the name of the smallest network around it."""

    def __init__(self, named: Mapping[str, Sequence[Network]]) -> None:
        pairs = [(network, name) for name, networks in named.items() for network in networks]
        self._smallest_first = sorted(pairs, key=lambda pair: (-pair[0].prefixlen, pair[1]))

    def name_of(self, address: str) -> str:
        """Return the name of the network that the address is in; empty when no network around it has a name."""
        parsed = _address(address)
        return next((name for network, name in self._smallest_first if parsed is not None and parsed in network), "")


NO_NAMES = NetworkNames({})


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address; an IPv4 address that is written as an IPv6 one is an IPv4 address."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed

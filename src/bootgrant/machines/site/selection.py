"""Select the entry of a machine: the most specific one that matches.

An entry matches if every variable that it names has one of the given values. A variable that the machine does not
report matches nothing. Between matching entries, the first difference in this list decides:

1. an exact uuid, then an exact serial, an exact mac, an exact hostname: an entry that names it goes first;
2. the number of characters in all its patterns, then the number of ``?``: more goes first;
3. the number of variables that it names;
4. the length of its pattern for uuid, then serial, mac, hostname.

Entries that are equal in all of these are a tie: the machine gets none of them, and `bootgrant check` reports it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import combinations, islice, product

from bootgrant.machines.site.findings import Finding, error, named_fields, warning
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.pattern import Pattern, common, folded
from bootgrant.wire.identity import MachineIdentity

Rank = tuple[tuple[bool, ...], int, int, int, tuple[tuple[int, int], ...]]


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that a machine matches, and the values that it matches by. A higher ``rank`` goes first."""

    entry: Entry
    by: tuple[Pattern, ...]
    rank: Rank

    @property
    def reason(self) -> str:
        """``uuid``, or ``mac 52:54:00:*``."""
        return ", ".join(str(one) for one in self.by)

    @property
    def is_exact(self) -> bool:
        """Whether the entry names a variable in full that only one machine has."""
        return any(one.is_exact and one.variable in MachineIdentity.STRONG for one in self.by)


@dataclass(frozen=True, slots=True)
class Tie:
    """Entries that match a machine equally well."""

    matches: tuple[Match, ...]

    @property
    def message(self) -> str:
        names = " and ".join(match.entry.name for match in self.matches[:3])
        return f"{names} match this machine equally well: make one of them more specific, or remove one"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an entry is chosen for a machine, and why or why not."""

    entry: Entry
    is_chosen: bool
    why: str


class Selector:
    """The entries of one snapshot. Looking up an exact value takes the same time for 2 and for 2,000 entries."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._by_value: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._by_pattern: list[Entry] = []
        for entry in entries:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        # One variable with only exact values is enough to find the entry.
        for values in entry.match.values():
            if all(one.is_exact for one in values):
                for one in set(values):
                    self._by_value[one.variable, one.key].append(entry)
                return
        if entry.match:
            self._by_pattern.append(entry)

    def select(self, identity: MachineIdentity) -> Match | Tie | None:
        """Return the entry for a machine, the entries that tie, or None if nothing matches."""
        best: list[Match] = []
        for match in self._matching(identity):
            if not best or match.rank > best[0].rank:
                best = [match]
            elif match.rank == best[0].rank:
                best.append(match)
        if not best:
            return None
        return best[0] if len(best) == 1 else Tie(tuple(best))

    def _matching(self, identity: MachineIdentity) -> Iterator[Match]:
        given = identity.given()
        known = (self._by_value.get((name, folded(name, value)), ()) for name, value in given.items())
        for entry in (*(entry for entries in known for entry in entries), *self._by_pattern):
            match = matched(entry, given)
            if isinstance(match, Match):
                yield match

    def explain(self, identity: MachineIdentity) -> list[Verdict]:
        """Explain every entry with a ``match``: the chosen one, then those that lost, then those that do not match."""
        given = identity.given()
        outcomes = [(entry, matched(entry, given)) for entry in self._entries if entry.match]
        found = sorted((match for _, match in outcomes if isinstance(match, Match)), key=lambda match: match.rank)[::-1]
        verdicts = [_verdict(match, found) for match in found]
        return verdicts + [Verdict(entry, False, why) for entry, why in outcomes if isinstance(why, str)]


def matched(entry: Entry, given: Mapping[str, str]) -> Match | str:
    """Return how a machine with the ``given`` variables matches an entry, or why it does not."""
    by = []
    for variable in MachineIdentity.NAMES:
        values = entry.match.get(variable)
        if values is None:
            continue
        if variable not in given:
            return f"it needs a {variable}, and the machine reports none"
        fitting = [one for one in values if one.matches(given[variable])]
        if not fitting:
            wanted = ", ".join(one.text for one in values[:3]) + (", …" if len(values) > 3 else "")
            return f"its {variable} is {wanted}, and the machine's is {given[variable]}"
        by.append(max(fitting, key=_weight))
    return Match(entry, tuple(by), rank(by))


def rank(by: Iterable[Pattern]) -> Rank:
    """Return the rank of an entry that matches by these values; the greatest goes first."""
    used = {one.variable: one for one in by}
    patterns = [one for one in used.values() if not one.is_exact]
    return (
        tuple(name in used and used[name].is_exact for name in MachineIdentity.NAMES),
        sum(one.literals for one in patterns),
        sum(one.singles for one in patterns),
        len(used),
        tuple(_weight(used[name])[1:] if name in used else (-1, -1) for name in MachineIdentity.NAMES),
    )


def _weight(one: Pattern) -> tuple[bool, int, int]:
    return (True, 0, 0) if one.is_exact else (False, one.literals, one.singles)


def _verdict(match: Match, found: Sequence[Match]) -> Verdict:
    rivals = [other for other in found if other.rank == match.rank and other is not match]
    if match.rank == found[0].rank and not rivals:
        return Verdict(match.entry, True, f"it matches by {match.reason}")
    if match.rank == found[0].rank:
        names = ", ".join(other.entry.name for other in rivals)
        return Verdict(
            match.entry, False, f"it matches by {match.reason}, and so does {names}: a tie, so the machine gets neither"
        )
    why = f"it matches by {match.reason}, but {found[0].entry.name} is more specific: {found[0].reason}"
    return Verdict(match.entry, False, why)


def ties(entries: Sequence[Entry]) -> list[Finding]:
    """Return an error for each entry that ties with an earlier one, with an example of a machine that matches both."""
    found: dict[str, Finding] = {}
    for one, other in _pairs_alike(entries):
        example = None if other.name in found else _example(one, other)
        if example is not None:
            values = ", ".join(f"{name} {value}" for name, value in example.items())
            message = (
                f"a tie with {one.name} ({one.file}, line {one.line}): a machine with {values} matches both equally "
                "well; make one of them more specific"
            )
            found[other.name] = error("tie", message, other.file, other.line, other.name)
    return list(found.values())


def _pairs_alike(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Yield pairs that may tie: they name the same variables, and may share a value of one of them."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.match:
            groups[tuple(name for name in MachineIdentity.NAMES if name in entry.match)].append(entry)
    for variables, group in groups.items():
        # Entries that tie share a value of every variable: use the variable that leaves the fewest pairs.
        best, fewest = variables[0], None
        for name in variables if len(variables) > 1 else ():
            count = sum(1 for _ in islice(_meeting(group, name), fewest))
            if fewest is None or count < fewest:
                best, fewest = name, count
        yield from _meeting(group, best)


def _meeting(entries: Sequence[Entry], variable: str) -> Iterator[tuple[Entry, Entry]]:
    """Yield pairs that share an exact value, or have patterns of the same weight that may share one."""
    exact: dict[str, list[Entry]] = defaultdict(list)
    patterns: dict[object, list[tuple[Pattern, Entry]]] = defaultdict(list)
    for entry in entries:
        for one in dict.fromkeys(entry.match[variable]):
            if one.is_exact:
                exact[one.key].append(entry)
            else:
                patterns[_weight(one)].append((one, entry))
    for group in exact.values():
        yield from ((one, other) for one, other in combinations(group, 2) if one is not other)
    for found in patterns.values():
        yield from ((one, other) for one, other in _fitting(found) if one is not other)


def _fitting(patterns: Sequence[tuple[Pattern, Entry]]) -> Iterator[tuple[Entry, Entry]]:
    """Yield pairs whose patterns may share a value: the start of one is a prefix of the other's, or so for the ends."""
    begun = [(one.beginning, entry) for one, entry in patterns]
    ended = [(one.ending[::-1], entry) for one, entry in patterns]
    most_distinct = max(begun, ended, key=lambda texts: len({text for text, _ in texts}))
    open_ones: list[tuple[str, Entry]] = []
    for text, entry in sorted(most_distinct, key=lambda pair: pair[0]):
        while open_ones and not text.startswith(open_ones[-1][0]):
            open_ones.pop()
        yield from ((earlier, entry) for _, earlier in open_ones)
        open_ones.append((text, entry))


def _example(one: Entry, other: Entry) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for name in MachineIdentity.NAMES:
        if name not in one.match:
            continue
        pairs = ((left, right) for left, right in product(one.match[name], other.match[name]) if _alike(left, right))
        shared = next((text for left, right in pairs if (text := common(left, right)) is not None), None)
        if shared is None:
            return None
        found[name] = shared
    return found


def _alike(left: Pattern, right: Pattern) -> bool:
    return _weight(left) == _weight(right)


def control_planes_by_pattern(entries: Iterable[Entry], machine_types: Mapping[str, str]) -> list[Finding]:
    """Return a warning for each control plane that a machine can get by a pattern."""
    message = (
        "a pattern leads to a control plane, which has the keys of the cluster: write each machine's uuid, serial or "
        "mac in full"
    )
    return [
        warning("control-plane-by-pattern", message, entry.file, entry.line, entry.name)
        for entry in entries
        if entry.has_pattern and machine_types.get(entry.name) == "controlplane"
    ]


def keys_without_control_plane(
    entries: Iterable[Entry], machine_types: Mapping[str, str], precious: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """Return a warning for each entry that has the keys of a cluster and is not a control plane.

    ``precious`` are the fields with keys, by the name of the entry.
    """
    found = []
    for entry in entries:
        fields = precious.get(entry.name, ())
        if fields and machine_types.get(entry.name) != "controlplane":
            message = (
                f"it has private keys or cluster secrets but is not a control plane: {named_fields(fields)}. "
                "Two people must approve it, no rule or window can: remove what the machine does not need"
            )
            found.append(warning("precious", message, entry.file, entry.line, entry.name))
    return found


def unreachable_entries(entries: Iterable[Entry], allowed: Sequence[IPv4Network | IPv6Network]) -> list[Finding]:
    """Return a warning for each entry whose networks are outside of those that machines may send requests from."""
    found = []
    for entry in entries:
        networks = [ip_network(text) for text in entry.networks]
        if networks and not any(
            one.overlaps(other) for one in networks for other in allowed if one.version == other.version
        ):
            message = "no machine gets it: networks.machines does not allow its networks"
            found.append(warning("unreachable", message, entry.file, entry.line, entry.name))
    return found

"""Which entry a machine gets: the most specific one that matches, by a total order; equal ones are a mistake.

An entry matches when every variable that it names has one of the values given; a variable that the machine did not
say matches nothing. Of those that match, the first difference of these decides:

1. exact uuid, then exact serial, then exact mac, then exact hostname: whoever names it goes before who does not;
2. the characters that its patterns give, all together (then how many ``?``); more is more specific;
3. how many variables it names;
4. the patterns of uuid, then serial, mac, hostname, each by its length.

Entries that are equal in all of it are a tie, for which nobody is let in and which `bootgrant check` finds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product

from bootgrant.machines.site.findings import Finding, error
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.pattern import Pattern, common, folded
from bootgrant.wire.identity import MachineIdentity

Rank = tuple[tuple[bool, ...], int, int, int, tuple[tuple[int, int], ...]]


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that a machine matches, by these values; a higher ``rank`` goes first."""

    entry: Entry
    by: tuple[Pattern, ...]
    rank: Rank

    @property
    def told(self) -> str:
        """For people: ``uuid``, or ``mac 52:54:00:*``."""
        return ", ".join(str(one) for one in self.by)

    @property
    def is_exact(self) -> bool:
        """Whether a variable that tells one machine from all others was named in full."""
        return any(one.is_exact and one.variable in MachineIdentity.STRONG for one in self.by)


@dataclass(frozen=True, slots=True)
class Tie:
    """Entries between which nothing decides."""

    matches: tuple[Match, ...]

    @property
    def message(self) -> str:
        names = " and ".join(match.entry.name for match in self.matches[:3])
        return f"{names} match this machine equally well: make one of them more specific, or remove one"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an entry is to a machine, in words: ``is_chosen``, or why not."""

    entry: Entry
    is_chosen: bool
    why: str


class Selector:
    """The entries of one snapshot. Looking up an exact value costs the same with two entries and with two thousand."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._by_value: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._by_pattern: list[Entry] = []
        for entry in entries:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        # One variable with exact values only is enough to find the entry by.
        for values in entry.match.values():
            if all(one.is_exact for one in values):
                for one in set(values):
                    self._by_value[one.variable, one.key].append(entry)
                return
        if entry.match:
            self._by_pattern.append(entry)

    def select(self, identity: MachineIdentity) -> Match | Tie | None:
        """What this machine gets; None when nothing matches."""
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
        """Every entry that has a ``match``: the chosen one, then those that lost, then those that do not match."""
        given = identity.given()
        outcomes = [(entry, matched(entry, given)) for entry in self._entries if entry.match]
        found = sorted((match for _, match in outcomes if isinstance(match, Match)), key=lambda match: match.rank)[::-1]
        verdicts = [_verdict(match, found) for match in found]
        return verdicts + [Verdict(entry, False, why) for entry, why in outcomes if isinstance(why, str)]


def matched(entry: Entry, given: Mapping[str, str]) -> Match | str:
    """How a machine with the ``given`` variables matches, or why it does not."""
    by = []
    for variable in MachineIdentity.NAMES:
        values = entry.match.get(variable)
        if values is None:
            continue
        if variable not in given:
            return f"it wants a {variable}, and the machine says none"
        fitting = [one for one in values if one.matches(given[variable])]
        if not fitting:
            wanted = ", ".join(one.text for one in values[:3]) + (", …" if len(values) > 3 else "")
            return f"its {variable} is {wanted}, and the machine's is {given[variable]}"
        by.append(max(fitting, key=_weight))
    return Match(entry, tuple(by), rank(by))


def rank(by: Iterable[Pattern]) -> Rank:
    """Where an entry that matches by these values stands among others; greater goes first."""
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
        return Verdict(match.entry, True, f"it matches by {match.told}")
    if match.rank == found[0].rank:
        names = ", ".join(other.entry.name for other in rivals)
        return Verdict(match.entry, False, f"it matches by {match.told}, and so does {names}: a tie, nobody gets it")
    told = f"it matches by {match.told}, and {found[0].entry.name} is more specific: {found[0].told}"
    return Verdict(match.entry, False, told)


def ties(entries: Sequence[Entry]) -> list[Finding]:
    """Entries that tie with one before them: there can be a machine that nothing decides about, here is an example."""
    found: dict[str, Finding] = {}
    for one, other in _pairs_alike(entries):
        example = None if other.name in found else _example(one, other)
        if example is not None:
            says = ", ".join(f"{name} {value}" for name, value in example.items())
            told = (
                f"a tie with {one.name} ({one.file}, line {one.line}): a machine with {says} matches both alike; "
                "make one of them more specific"
            )
            found[other.name] = error("tie", told, other.file, other.line, other.name)
    return list(found.values())


def _pairs_alike(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Pairs that may tie: the same variables, and in one of them values that may meet."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.match:
            groups[tuple(name for name in MachineIdentity.NAMES if name in entry.match)].append(entry)
    for variables, group in groups.items():
        # Entries that tie meet in each variable: that one is gone by which tells most of them apart.
        best, fewest = variables[0], None
        for name in variables if len(variables) > 1 else ():
            count = sum(1 for _ in islice(_meeting(group, name), fewest))
            if fewest is None or count < fewest:
                best, fewest = name, count
        yield from _meeting(group, best)


def _meeting(entries: Sequence[Entry], variable: str) -> Iterator[tuple[Entry, Entry]]:
    """Pairs that have an exact value in common, or patterns of the same weight that may begin alike."""
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
    """Patterns can only meet when the fixed beginning of one begins that of the other, and so with their ends."""
    begun = [(one.beginning, entry) for one, entry in patterns]
    ended = [(one.ending[::-1], entry) for one, entry in patterns]
    told_apart = max(begun, ended, key=lambda texts: len({text for text, _ in texts}))
    open_ones: list[tuple[str, Entry]] = []
    for text, entry in sorted(told_apart, key=lambda pair: pair[0]):
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

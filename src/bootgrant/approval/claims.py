"""What a provider's claims about a person mean here: their role and labels, and what their token approves.

A token of an outside provider says which person approved, never which machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bootgrant.approval.operators import Label, Role
from bootgrant.approval.policy import Entry, Selector, needed_approvals

Claims = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RoleRule:
    """People with ``value`` in ``claim`` get ``role``, for machines with ``labels`` (none: for every machine)."""

    claim: str
    value: str
    role: Role
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person may do, and for which machines."""

    role: Role
    labels: tuple[Label, ...]


def rights_of(claims: Claims, rules: Iterable[RoleRule]) -> Rights | None:
    """Return the highest role of the matching rules, with the labels of all rules that give it; None without a match.

    A matching rule without labels removes the limits of the others that give the same role.
    """
    fitting = [rule for rule in rules if rule.value in values_of(claims, rule.claim)]
    if not fitting:
        return None
    best = max((rule.role for rule in fitting), key=list(Role).index)
    giving = [rule.labels for rule in fitting if rule.role is best]
    labels = sorted({label for labels in giving for label in labels}) if all(giving) else []
    return Rights(best, tuple(labels))


def values_of(claims: Claims, name: str) -> Sequence[str]:
    """Return the texts of a claim, which is a text or a list. ``realm_access.roles`` may be nested claims."""
    found = claims.get(name)
    if found is None and "." in name:
        head, _, rest = name.partition(".")
        inner = claims.get(head)
        return values_of(inner, rest) if isinstance(inner, Mapping) else ()
    if isinstance(found, str):
        return (found,)
    if isinstance(found, (list, tuple)):
        return tuple(value for value in found if isinstance(value, str))
    return ()


@dataclass(frozen=True, slots=True)
class Person:
    """Who approved, according to a provider. ``name`` is for display; ``expires_at`` (Unix seconds) is when the token
    expires, None when the provider does not say."""

    provider: str
    subject: str
    name: str
    claims: Claims
    expires_at: float | None

    def __str__(self) -> str:
        return f"{self.name or self.subject} ({self.provider})"


@dataclass(frozen=True, slots=True)
class OutsideRule:
    """One of ``[[providers.rules]]``: people with these claims may approve the entries of ``select``.

    All ``claims`` must match: one of the patterns fits the claim, or an item of it when it is a list. Entries that are
    precious (control planes, or the keys of one) or need several people require a rule with ``control_plane``.
    """

    claims: tuple[tuple[str, tuple[str, ...]], ...]
    select: tuple[Selector, ...]
    control_plane: bool = False

    def is_about(self, person: Person) -> bool:
        return all(_holds(person.claims, name, patterns) for name, patterns in self.claims)

    def selects(self, entry: Entry) -> bool:
        return any(selector.matches(entry) for selector in self.select)


class NotAllowed(Exception):
    """No rule allows this person to approve this entry; the message says why, for the server's log."""

    def __init__(self, message: str, *, only_control_plane: bool = False) -> None:
        super().__init__(message)
        self.only_control_plane = only_control_plane


def allowing_rule(rules: Sequence[OutsideRule], person: Person, entry: Entry) -> OutsideRule:
    """Return the first rule by which ``person`` may approve ``entry``. Raises NotAllowed."""
    about = [rule for rule in rules if rule.is_about(person)]
    if not about:
        raise NotAllowed(f"no rule of this provider matches {person}")
    selecting = [rule for rule in about if rule.selects(entry)]
    if not selecting:
        raise NotAllowed(f"no rule allows {person} to approve {entry.name}")
    precious = needed_approvals(entry) > 1
    for rule in selecting:
        if rule.control_plane or not precious:
            return rule
    raise NotAllowed(
        f"{entry.name} is a control plane, has keys of a cluster, or needs several people: set control_plane = true in "
        "a rule, or approve it on bootgrant's own page",
        only_control_plane=True,
    )


def _holds(claims: Claims, name: str, patterns: Sequence[str]) -> bool:
    """A boolean claim is compared as JSON writes it."""
    plain = claims.get(name)
    values = [str(plain).lower()] if isinstance(plain, bool) else values_of(claims, name)
    return any(fnmatchcase(text, pattern) for text in values for pattern in patterns)

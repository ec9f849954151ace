"""What a provider's claims about a person mean here: their role and labels, and what their token approves.

A token of an outside provider says which person approved, never which machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bootgrant.approval.claim_nearness import Need
from bootgrant.approval.claim_reasons import Explanation, Tried, explain
from bootgrant.approval.claim_texts import cut
from bootgrant.approval.claim_values import Claims, values_of
from bootgrant.approval.operators import Label, Role
from bootgrant.approval.policy import Entry, Selector, needed_approvals

__all__ = [
    "Claims", "NotAllowed", "OutsideRule", "Person", "Rights", "RoleRule", "allowing_rule", "matching", "rights_of",
    "values_of", "why_no_role",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RoleRule:
    """People with ``value`` in ``claim`` get ``role``, for machines with ``labels`` (none: for every machine)."""

    claim: str
    value: str
    role: Role
    labels: tuple[Label, ...] = ()

    @property
    def tried(self) -> Tried:
        """The rule for an explanation."""
        return Tried((Need(self.claim, (self.value,)),), ", ".join((self.role.value, *map(str, self.labels))))


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person may do, and for which machines."""

    role: Role
    labels: tuple[Label, ...]


def rights_of(claims: Claims, rules: Iterable[RoleRule]) -> Rights | None:
    """Return the highest role of the matching rules, with the labels of all rules that give it; None without a match.

    A matching rule without labels removes the limits of the others that give the same role.
    """
    fitting = matching(claims, rules)
    if not fitting:
        return None
    best = max((rule.role for rule in fitting), key=list(Role).index)
    giving = [rule.labels for rule in fitting if rule.role is best]
    labels = sorted({label for labels in giving for label in labels}) if all(giving) else []
    return Rights(best, tuple(labels))


def matching(claims: Claims, rules: Iterable[RoleRule]) -> list[RoleRule]:
    """Return the rules that these claims match."""
    return [rule for rule in rules if rule.value in values_of(claims, rule.claim)]


def why_no_role(claims: Claims, left_out: Mapping[str, str], rules: Iterable[RoleRule]) -> Explanation:
    """Explain why none of the rules gives these claims a role (or not all that they could)."""
    unmatched = [rule for rule in rules if rule.value not in values_of(claims, rule.claim)]
    return explain(claims, left_out, [rule.tried for rule in unmatched])


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

    @property
    def tried(self) -> Tried:
        """The rule for an explanation."""
        needs = tuple(Need(name, patterns, is_exact=False) for name, patterns in self.claims)
        return Tried(needs, ", ".join(map(str, self.select)))

    def is_about(self, person: Person) -> bool:
        return all(need.is_met(values_of(person.claims, need.claim)) for need in self.tried.needs)

    def selects(self, entry: Entry) -> bool:
        return any(selector.matches(entry) for selector in self.select)


class NotAllowed(Exception):
    """No rule allows this person to approve this entry; the message says why, for the server's log.

    ``explanation`` says what came, when no rule matches the person.
    """

    def __init__(
        self, message: str, *, only_control_plane: bool = False, explanation: Explanation | None = None
    ) -> None:
        super().__init__(message)
        self.only_control_plane = only_control_plane
        self.explanation = explanation


def allowing_rule(rules: Sequence[OutsideRule], person: Person, entry: Entry) -> OutsideRule:
    """Return the first rule by which ``person`` may approve ``entry``. Raises NotAllowed."""
    about = [rule for rule in rules if rule.is_about(person)]
    if not about:
        why = explain(person.claims, {}, [rule.tried for rule in rules])
        raise NotAllowed(f"no rule of this provider matches {person}; {why}", explanation=why)
    selecting = [rule for rule in about if rule.selects(entry)]
    if not selecting:
        selects = ", ".join(str(selector) for rule in about for selector in rule.select)
        raise NotAllowed(f"no rule allows {person} to approve {entry.name}: theirs select {cut(selects, 300)}")
    precious = needed_approvals(entry) > 1
    for rule in selecting:
        if rule.control_plane or not precious:
            return rule
    raise NotAllowed(
        f"{entry.name} is a control plane, has keys of a cluster, or needs several people: set control_plane = true in "
        "a rule, or approve it on bootgrant's own page",
        only_control_plane=True,
    )

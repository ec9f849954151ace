"""The rights of a person at a sign-in, when claims that decide about them may not have come.

A claim that did not come is unknown, not empty. Nobody loses rights by it: the last rights hold for a while, or the
sign-in is refused and nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootgrant.approval.claim_names import is_about_the_person
from bootgrant.approval.claim_values import Claims, claim_of, is_unknown, why_left_out
from bootgrant.approval.claims import Rights, RoleRule, matching, rights_of
from bootgrant.approval.operators import Label, Role


@dataclass(frozen=True, slots=True)
class Confirmed:
    """When (Unix seconds) claims last gave an operator their rights, and which ``claims`` those were."""

    at: float
    claims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The rights that a person has; ``confirmed`` is None when no claims gave them, or none are known to."""

    rights: Rights
    confirmed: Confirmed | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The last rights hold, although ``unknown`` claims did not come."""

    rights: Rights
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing can be said: the ``claims`` that decide did not come."""

    claims: tuple[str, ...]


def confirming(claims: Claims, rules: Sequence[RoleRule], rights: Rights, at: float) -> Confirmed:
    """Return which claims gave these rights."""
    giving = (rule.claim for rule in matching(claims, rules) if rule.role is rights.role)
    return Confirmed(at, tuple(dict.fromkeys(giving)))


def judge(
    claims: Claims, left_out: Mapping[str, str], rules: Sequence[RoleRule], held: Held | None, now: float, grace: float
) -> Rights | Kept | Unknown | None:
    """Return the rights of a person who signs in; None for a person without a role. ``held`` is None for a new person.

    Rights that the claims prove count at once, unless the person had more, and the claims that gave it did not come.
    ``grace`` is how long (seconds) the last rights hold in that case. Claims that came always count.
    """
    proven = rights_of(claims, rules)
    if proven is not None and (held is None or _covers(proven, held.rights)):
        return proven
    unknown = tuple(dict.fromkeys(rule.claim for rule in rules if is_unknown(claims, left_out, rule.claim)))
    if not unknown:
        return proven
    if held is None:
        return Unknown(unknown) if _is_undecided(claims, left_out, rules) else None
    deciding = tuple(name for name in unknown if name in _suspects(held, rules))
    if not deciding:
        return proven
    if grace > 0 and held.confirmed is not None and now < held.confirmed.at + grace:
        return Kept(held.rights, deciding)
    return Unknown(deciding)


def _suspects(held: Held, rules: Sequence[RoleRule]) -> Sequence[str]:
    """Return the claims that gave the last rights: those that did, or while that is not known, those that may have.

    It is not known either when the rules have changed, and no longer name one of those claims.
    """
    if held.confirmed is not None and {rule.claim for rule in rules}.issuperset(held.confirmed.claims):
        return held.confirmed.claims
    order = list(Role)
    return [rule.claim for rule in rules if order.index(rule.role) >= order.index(held.rights.role)]


def _is_undecided(claims: Claims, left_out: Mapping[str, str], rules: Sequence[RoleRule]) -> bool:
    """Return whether the claims that did come say nothing about a new person: none of them came, or groups or roles
    were left out. A missing e-mail address next to groups that came does not make it unknown."""
    named = {rule.claim for rule in rules}
    left = (name for name in named if why_left_out(claims, left_out, name))
    return not all(map(is_about_the_person, left)) or all(claim_of(claims, name) is None for name in named)


def _covers(rights: Rights, others: Rights) -> bool:
    """Return whether nothing of ``others`` is lost with ``rights``."""
    if rights.role is not others.role:
        return list(Role).index(rights.role) > list(Role).index(others.role)
    return all(
        _values(others.labels, key) and _values(others.labels, key) <= _values(rights.labels, key)
        for key in {label.key for label in rights.labels}
    )


def _values(labels: Sequence[Label], key: str) -> set[str]:
    return {label.value for label in labels if label.key == key}

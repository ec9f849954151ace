"""What a provider's claims about a person make of them here: their role and their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bootgrant.approval.operators import Label, Role

Claims = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RoleRule:
    """Who has ``value`` in ``claim`` gets ``role``, for machines with ``labels`` (none: for every machine)."""

    claim: str
    value: str
    role: Role
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do, and for which machines."""

    role: Role
    labels: tuple[Label, ...]


def rights_of(claims: Claims, rules: Iterable[RoleRule]) -> Rights | None:
    """The highest role of the rules that fit, with the labels of all rules that give it; None when none fits.

    A rule of that role without labels lifts the limits of the others.
    """
    fitting = [rule for rule in rules if rule.value in values_of(claims, rule.claim)]
    if not fitting:
        return None
    best = max((rule.role for rule in fitting), key=list(Role).index)
    giving = [rule.labels for rule in fitting if rule.role is best]
    labels = sorted({label for labels in giving for label in labels}) if all(giving) else []
    return Rights(best, tuple(labels))


def values_of(claims: Claims, name: str) -> Sequence[str]:
    """The texts of a claim: of a list each, of one text itself. ``realm_access.roles`` is looked for inside."""
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

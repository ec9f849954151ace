"""Why no rule matched a person's claims: what came, which rules were tried, and which of them is the nearest.

For admins. Names of claims are shown, and the values of those claims that rules name; never a token. Everything is
limited: a person may be in thousands of groups, and their provider chooses the texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.claim_nearness import Near, Need, nearest_of
from bootgrant.approval.claim_texts import cut, listed, plain
from bootgrant.approval.claim_values import Claims, claim_of, texts_of, why_left_out

_NAMES: Final = 40
_RULES: Final = 12
_REASONS: Final = 50
_REASON: Final = 400


@dataclass(frozen=True, slots=True)
class Tried:
    """A rule that did not match: what it needs, and what it ``gives`` (a role, or entries)."""

    needs: tuple[Need, ...]
    gives: str

    def __str__(self) -> str:
        return f"{' and '.join(map(str, self.needs))} gives {self.gives}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """``names`` are the claims that came, ``came`` the values of those that rules name, ``rules`` the rules with why
    each did not match, ``nearest`` the reason of the nearest rule. Printable and limited."""

    names: str
    came: tuple[str, ...]
    rules: tuple[str, ...]
    nearest: str

    def __str__(self) -> str:
        return f"came: {'; '.join(self.came)}; nearest rule: {self.nearest}; all claims: {self.names}"

    def details(self) -> Mapping[str, str]:
        """Return it as details of an audit event."""
        numbered = {f"came_{number}": text for number, text in enumerate(self.came, 1)}
        numbered |= {f"rule_{number}": text for number, text in enumerate(self.rules, 1)}
        return {"claims": self.names, **numbered, "nearest": self.nearest}


_NUMBERED: Final = re.compile(r"(?:came|rule)_\d{1,3}")


def explained_details(details: Iterable[str]) -> frozenset[str]:
    """Return the names of the details in which an event has an explanation, without the nearest rule."""
    return frozenset(name for name in details if name == "claims" or _NUMBERED.fullmatch(name))


def explain(claims: Claims, left_out: Mapping[str, str], tried: Sequence[Tried]) -> Explanation:
    """Explain why none of the rules matched these claims. ``left_out`` is as in ports.providers.ProviderPerson."""
    named = dict.fromkeys(need.claim for rule in tried for need in rule.needs)
    reasons = [(rule, _reason(rule, claims, left_out)) for rule in tried[:_REASONS]]
    rules = [f"{cut(str(rule), _REASON)}: {near.text}" for rule, near in reasons[:_RULES]]
    more = len(tried) - len(rules)
    return Explanation(
        listed(map(str, claims), _NAMES) or "none",
        tuple(_came(claims, left_out, name) for name in list(named)[:_RULES]),
        (*rules, *((f"and {more} more rules",) if more > 0 else ())),
        min(reasons, key=lambda each: each[1].rank)[1].text if reasons else "there are no rules",
    )


def missing(claims: Claims, left_out: Mapping[str, str], names: Sequence[str]) -> str:
    """Return why these claims are unknown, for the person whose they are: without rules or values."""
    return "; ".join(_came(claims, left_out, name) for name in names[:_RULES])


def _came(claims: Claims, left_out: Mapping[str, str], name: str) -> str:
    """Return what came as one claim."""
    shown, found = plain(name), claim_of(claims, name)
    if why := why_left_out(claims, left_out, name):
        return f"{shown}: unknown ({plain(why, _REASON)})"
    if found is None:
        return f"{shown}: did not come"
    values = texts_of(found)
    return f"{shown}: {listed(values) or _form(found)}"


def _form(found: object) -> str:
    """Return the form of a claim without values."""
    if found in ([], (), {}, ""):
        return "came empty"
    if isinstance(found, Mapping):
        return f"an object with the members {listed(map(str, found))}"
    return "a list of objects" if isinstance(found, (list, tuple)) else "neither a text nor a list"


def _reason(rule: Tried, claims: Claims, left_out: Mapping[str, str]) -> Near:
    """Return why a rule did not match: by the claim that is farthest from matching."""
    missing = [near for need in rule.needs if (near := nearest_of(need, claims, left_out)) is not None]
    worst = max(missing, key=lambda near: near.rank, default=Near(0, "it matches"))
    return Near(worst.rank + 100 * max(0, len(missing) - 1), cut(worst.text, _REASON))

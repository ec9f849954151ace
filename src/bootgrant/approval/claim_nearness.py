"""How near a claim came to what a rule needs, and what to change: the differences that providers are known to make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from bootgrant.approval.claim_names import advice_for, names_like_groups, similar_name
from bootgrant.approval.claim_texts import listed, plain, quoted
from bootgrant.approval.claim_values import Claims, claim_of, texts_of, values_of, why_left_out

_EXAMINED: Final = 40_000
"""Values that are compared in all, over all rules."""
_EXAMINED_OF_ONE: Final = 2_000
_LENGTH: Final = 512
_TYPING_ERRORS: Final = 2
_SHORTEST: Final = 4
"""Shorter names are too alike for typing errors."""
_SEPARATORS: Final = re.compile(r"[\s,;|]+")
_DN: Final = re.compile(r"\s*(?:cn|ou|uid)\s*=\s*((?:\\.|[^,+\\])+)[,+]", re.IGNORECASE)
_DOMAIN: Final = re.compile(r"[\w.-]+\\(.+)|(.+)@[\w.-]+")
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UNSEEN: Final = re.compile(r"^[\s\u200b-\u200f\u2060\ufeff]+|[\s\u200b-\u200f\u2060\ufeff]+$")


class Near(NamedTuple):
    """A reason; a lower ``rank`` is nearer."""

    rank: int
    text: str


@dataclass(frozen=True, slots=True)
class Need:
    """The claim must have one of ``wanted``: exact texts, or patterns with ``*`` and ``?``."""

    claim: str
    wanted: tuple[str, ...]
    is_exact: bool = True

    def fits(self, value: str, wanted: str) -> bool:
        return value == wanted if self.is_exact else fnmatchcase(value, wanted)

    def is_met(self, values: Sequence[str]) -> bool:
        return any(self.fits(value, wanted) for value in values for wanted in self.wanted)

    def __str__(self) -> str:
        return f"{plain(self.claim)} = {' or '.join(map(quoted, self.wanted))}"


def nearest_of(need: Need, claims: Claims, left_out: Mapping[str, str], rules: int = 1) -> Near | None:
    """Return why the claims do not meet ``need``, one of ``rules``; None when they do."""
    found = claim_of(claims, need.claim)
    values = texts_of(found)
    if need.is_met(values):
        return None
    if why := why_left_out(claims, left_out, need.claim):
        return Near(8, f"the provider left out {quoted(need.claim)} ({plain(why, 300)})")
    if found is None:
        return _elsewhere(need, claims) or _absent(need, claims)
    examined = [value[:_LENGTH] for value in values[: max(20, min(_EXAMINED_OF_ONE, _EXAMINED // max(1, rules)))]]
    reasons = [near for value in examined for wanted in need.wanted for near in _value(need, value, wanted)]
    more = (_elsewhere(need, claims), _form(need, found), _nothing_near(need, examined))
    return min([*reasons, *(near for near in more if near)], key=lambda near: near.rank)


def _value(need: Need, value: str, wanted: str) -> Iterator[Near]:
    """Yield how one value differs from the one that is wanted."""
    plainly = _UNSEEN.sub("", value)
    pair = f"{quoted(value)} is not {quoted(wanted)}"
    if need.fits(plainly, _UNSEEN.sub("", wanted)):
        yield Near(0, f"{pair}: there are spaces or invisible characters around one of them; remove them")
    elif _folded(need, plainly, wanted):
        yield Near(1, f"{pair}: upper and lower case differ; write {quoted(plainly)} in the rule")
    else:
        yield from _longer_form(need, plainly, wanted, pair)
    if any(need.fits(part, wanted) for part in _parts(plainly)):
        text = f"{quoted(value)} came as one text, which is not split"
        yield Near(4, f"{text}: let the provider send a list, in which {quoted(wanted)} is one value")
    if need.is_exact and is_typing_error(plainly, wanted):
        yield Near(6, f"{pair}, but nearly: correct the one that is mistyped")


def _longer_form(need: Need, value: str, wanted: str, pair: str) -> Iterator[Near]:
    """Yield the forms in which a name has something around it: a path, a directory entry, a domain."""
    last, last_wanted = value.rpartition("/")[2], wanted.rpartition("/")[2]
    if "/" in value and _folded(need, last, wanted):
        yield Near(
            2, f'{pair}: turn off "Full group path" in Keycloak\'s group mapper, or write {quoted(value)} in the rule'
        )
    elif "/" in wanted and _folded(need, value, last_wanted):
        yield Near(
            2, f'{pair}: turn on "Full group path" in Keycloak\'s group mapper, or write {quoted(value)} in the rule'
        )
    entry = _DN.match(value + ",") if "=" in value else None
    if entry and _folded(need, entry[1].strip(), wanted):
        name = f"{pair}: it is the distinguished name (DN) of a directory entry"
        yield Near(3, f"{name}; let the provider send the name (cn), or write the whole DN in the rule")
    domain = _DOMAIN.fullmatch(value)
    if domain and _folded(need, domain[1] or domain[2], wanted):
        yield Near(3, f"{pair}: it has a domain; write {quoted(value)} in the rule, or let the provider send the name")


def _folded(need: Need, value: str, wanted: str) -> bool:
    return need.fits(value.casefold(), wanted.casefold())


def _parts(text: str) -> list[str]:
    parts = [part for part in _SEPARATORS.split(text) if part]
    return parts if len(parts) > 1 else []


def is_typing_error(one: str, other: str) -> bool:
    """Return whether two names differ by at most two letters (added, left out or changed)."""
    if one == other or min(len(one), len(other)) < _SHORTEST or abs(len(one) - len(other)) > _TYPING_ERRORS:
        return False
    return _within(one.casefold(), other.casefold(), _TYPING_ERRORS if min(len(one), len(other)) > _SHORTEST else 1)


def _within(one: str, other: str, edits: int) -> bool:
    """Return whether ``edits`` are enough to make one text of the other."""
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[same:], other[same:]
    if not one or not other:
        return max(len(one), len(other)) <= edits
    return edits > 0 and (
        _within(one[1:], other[1:], edits - 1)
        or _within(one[1:], other, edits - 1)
        or _within(one, other[1:], edits - 1)
    )


def _elsewhere(need: Need, claims: Claims) -> Near | None:
    """Return the other claim that has what is wanted. Claims that people write themselves do not count."""
    for name in names_like_groups(claims):
        if name != need.claim and need.is_met(values_of(claims, name)):
            came = "did not come" if claim_of(claims, need.claim) is None else "does not have it"
            value = " or ".join(map(quoted, need.wanted[:3]))
            text = f"{quoted(need.claim)} {came}, but {quoted(name)} has {value}"
            return Near(5, f"{text}: name the claim {quoted(name)} in the rule (groups_claim, or claim)")
    return None


def _absent(need: Need, claims: Claims) -> Near:
    """Return what to do about a claim that did not come."""
    text = f"{quoted(need.claim)} did not come"
    if near := similar_name(need.claim, claims):
        return Near(9, f"{text}, {quoted(near)} did: name that claim in the rule, or rename it at the provider")
    like = [name for name in names_like_groups(claims) if name != need.claim]
    others = f" (what came and may have it: {listed(like, 5)})" if like else ""
    return Near(10, f"{text}{others}: {advice_for(need.claim)}")


def _form(need: Need, found: object) -> Near | None:
    """Return how to reach the values of objects."""
    if isinstance(found, (list, tuple)):
        objects = [each for each in found[:_EXAMINED_OF_ONE] if isinstance(each, Mapping)]
        if not objects:
            return None
        members = dict.fromkeys(str(name) for each in objects for name in each)
        having = [name for name in members if any(need.is_met(texts_of(each.get(name))) for each in objects)]
        return Near(5, f"{quoted(need.claim)} is a list of objects: {_member(need, having or list(members))}")
    if not isinstance(found, Mapping):
        return None
    having = [str(name) for name, inner in found.items() if need.is_met(texts_of(inner))]
    if not having and any(need.is_met([str(name)]) for name in found):
        return Near(5, f"{quoted(need.claim)} has the member, but its value is neither true nor an object")
    return Near(5 if having else 11, f"{quoted(need.claim)} is an object: {_member(need, having or list(found))}")


def _member(need: Need, names: Sequence[str]) -> str:
    """Return which names to write in the rule to reach a member."""
    written = listed((f"{need.claim}.{name}" for name in names), 5)
    return f"name the claim {written} in the rule" if len(names) == 1 else f"name one of its members: {written}"


def _nothing_near(need: Need, values: Sequence[str]) -> Near:
    wanted = " or ".join(map(quoted, need.wanted[:3]))
    if not values:
        return Near(12, f"{quoted(need.claim)} came without a value, and {wanted} is needed")
    guids = sum(bool(_GUID.fullmatch(value)) for value in values)
    if guids == len(values) and not any(map(_GUID.fullmatch, need.wanted)):
        return Near(7, f"{quoted(need.claim)} has object IDs, not names, as Entra ID sends them: {_ID_ADVICE}")
    if guids == 0 and any(map(_GUID.fullmatch, need.wanted)):
        return Near(7, f"{quoted(need.claim)} has names, and the rule has an object ID: write the name in the rule")
    return Near(12, f"{quoted(need.claim)} has {listed(values, 3)}: none is {wanted}")


_ID_ADVICE: Final = "write the object ID of the group in the rule, or use app roles (claim roles)"

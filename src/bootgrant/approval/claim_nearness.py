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

_SEARCHED: Final = 5_000
_EXAMINED: Final = 200
"""Values that are compared letter by letter with each rule. Of thousands, those that contain the name count first."""
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


def nearest_of(need: Need, claims: Claims, left_out: Mapping[str, str]) -> Near | None:
    """Return why the claims do not meet ``need``; None when they do."""
    found = claim_of(claims, need.claim)
    values = texts_of(found)
    if need.is_met(values):
        return None
    near = [_elsewhere(need, claims), _left_out(need, claims, left_out)]
    if found is None:
        near += [_similar(need, claims), _absent(need, claims)]
    else:
        near += [_form(need, found), _nothing_near(need, values)]
        near += [
            each for wanted in need.wanted for value in _likely(values, wanted) for each in _value(need, value, wanted)
        ]
    return min((each for each in near if each), key=lambda each: each.rank)


def _left_out(need: Need, claims: Claims, left_out: Mapping[str, str]) -> Near | None:
    why = why_left_out(claims, left_out, need.claim)
    return Near(8, f"{quoted(need.claim)} is unknown ({plain(why, 300)})") if why else None


def _likely(values: Sequence[str], wanted: str) -> list[str]:
    """Return the values that may be meant, cut: those that contain the name or are part of it, and the first others."""
    name = _UNSEEN.sub("", wanted).casefold()
    cut = [value[:_LENGTH] for value in values[:_SEARCHED]]
    alike = [value for value in cut if name in value.casefold() or (value and value.casefold() in name)]
    return list(dict.fromkeys([*alike[:_EXAMINED], *cut[:_EXAMINED]]))


def _value(need: Need, value: str, wanted: str) -> Iterator[Near]:
    """Yield how one value differs from the one that is wanted."""
    plainly = _UNSEEN.sub("", value)
    if need.fits(plainly, _UNSEEN.sub("", wanted)):
        text = "there are spaces or invisible characters around one of them; remove them"
        yield Near(0, f"{_pair(value, wanted)}: {text}")
    elif _folded(need, plainly, wanted):
        text = f"upper and lower case differ; write {quoted(plainly)} in the rule"
        yield Near(1, f"{_pair(value, wanted)}: {text}")
    else:
        yield from _longer_form(need, plainly, wanted)
    if any(need.fits(part, wanted) for part in _parts(plainly)):
        text = f"{quoted(value)} came as one text, which is not split"
        yield Near(4, f"{text}: let the provider send a list, in which {quoted(wanted)} is one value")
    if need.is_exact and is_typing_error(plainly, wanted):
        yield Near(6, f"{_pair(value, wanted)}, but nearly: correct the one that is mistyped")


def _pair(value: str, wanted: str) -> str:
    return f"{quoted(value)} is not {quoted(wanted)}"


def _longer_form(need: Need, value: str, wanted: str) -> Iterator[Near]:
    """Yield the forms in which a name has something around it: a path, a directory entry, a domain."""
    last, last_wanted = value.rpartition("/")[2], wanted.rpartition("/")[2]
    turn = ""
    if "/" in value and _folded(need, last, wanted):
        turn = "off"
    elif "/" in wanted and _folded(need, value, last_wanted):
        turn = "on"
    if turn:
        text = f'turn {turn} "Full group path" in Keycloak\'s group mapper, or write {quoted(value)} in the rule'
        yield Near(2, f"{_pair(value, wanted)}: {text}")
    entry = _DN.match(value + ",") if "=" in value else None
    if entry and _folded(need, entry[1].strip(), wanted):
        text = "it is the distinguished name (DN) of a directory entry; let the provider send the name (cn), or write"
        yield Near(3, f"{_pair(value, wanted)}: {text} the whole DN in the rule")
    domain = _DOMAIN.fullmatch(value) if "\\" in value or "@" in value else None
    if domain and _folded(need, domain[1] or domain[2], wanted):
        text = f"it has a domain; write {quoted(value)} in the rule, or let the provider send the name"
        yield Near(3, f"{_pair(value, wanted)}: {text}")


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


def _similar(need: Need, claims: Claims) -> Near | None:
    """Return the claim that is most likely meant by one that did not come."""
    near = similar_name(need.claim, claims)
    text = f"{quoted(need.claim)} did not come, {quoted(near)} did"
    return Near(7, f"{text}: name that claim in the rule, or rename it at the provider") if near else None


def _absent(need: Need, claims: Claims) -> Near:
    """Return what to do about a claim that did not come."""
    like = [name for name in names_like_groups(claims) if name != need.claim]
    others = f" (what came and may have it: {listed(like, 5)})" if like else ""
    return Near(10, f"{quoted(need.claim)} did not come{others}: {advice_for(need.claim)}")


def _form(need: Need, found: object) -> Near | None:
    """Return how to reach the values of objects."""
    if isinstance(found, (list, tuple)):
        objects = [each for each in found[:_EXAMINED] if isinstance(each, Mapping)]
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
    seen = values[:_EXAMINED]
    guids = sum(bool(_GUID.fullmatch(value)) for value in seen)
    if guids == len(seen) and not any(map(_GUID.fullmatch, need.wanted)):
        return Near(7, f"{quoted(need.claim)} has object IDs, not names, as Entra ID sends them: {_ID_ADVICE}")
    if guids == 0 and any(map(_GUID.fullmatch, need.wanted)):
        return Near(7, f"{quoted(need.claim)} has names, and the rule has an object ID: write the name in the rule")
    return Near(12, f"{quoted(need.claim)} has {listed(values, 3)}: none is {wanted}")


_ID_ADVICE: Final = "write the object ID of the group in the rule, or use app roles (claim roles)"

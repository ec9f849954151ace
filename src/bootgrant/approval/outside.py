"""What the token of an outside provider lets in: such a token says which person approved, never which machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bootgrant.approval.policy import Entry, Selector, needed_approvals

Claims = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Person:
    """Who approved, as a provider says. ``name`` is for people; ``expires_at`` (Unix seconds) is the token's end."""

    provider: str
    subject: str
    name: str
    claims: Claims
    expires_at: float

    def __str__(self) -> str:
        return f"{self.name or self.subject} ({self.provider})"


@dataclass(frozen=True, slots=True)
class OutsideRule:
    """One of ``[[providers.rules]]``: whose claims are these may let in the entries of ``select``.

    ``claims`` must all hold: one of the patterns fits the claim, or one item of a claim that is a list. A control
    plane, or what needs several people, takes a rule that says so (``control_plane``).
    """

    claims: tuple[tuple[str, tuple[str, ...]], ...]
    select: tuple[Selector, ...]
    control_plane: bool = False

    def is_about(self, person: Person) -> bool:
        return all(_holds(person.claims.get(name), patterns) for name, patterns in self.claims)

    def selects(self, entry: Entry) -> bool:
        return any(selector.matches(entry) for selector in self.select)


class NotAllowed(Exception):
    """No rule lets this person let this entry in; the text says why, for the server's log."""

    def __init__(self, message: str, *, only_control_plane: bool = False) -> None:
        super().__init__(message)
        self.only_control_plane = only_control_plane


def allowing_rule(rules: Sequence[OutsideRule], person: Person, entry: Entry) -> OutsideRule:
    """The first rule by which ``person`` lets ``entry`` in. Raises NotAllowed."""
    about = [rule for rule in rules if rule.is_about(person)]
    if not about:
        raise NotAllowed(f"no rule of this provider is about {person}")
    selecting = [rule for rule in about if rule.selects(entry)]
    if not selecting:
        raise NotAllowed(f"no rule lets {person} let {entry.name} in")
    precious = needed_approvals(entry) > 1
    for rule in selecting:
        if rule.control_plane or not precious:
            return rule
    raise NotAllowed(
        f"{entry.name} is a control plane or needs several people: a rule must say control_plane = true, or approve it "
        "on bootgrant's own page",
        only_control_plane=True,
    )


def _holds(value: object, patterns: Sequence[str]) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(fnmatchcase(text, pattern) for item in values if (text := _text(item)) for pattern in patterns)


def _text(value: object) -> str:
    """A claim as patterns see it: a text, or true and false as JSON writes them; anything else is nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ""

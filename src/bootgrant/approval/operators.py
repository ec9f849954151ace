"""Who decides: roles, the labels a person is limited to, and the actor that decisions and the audit name.

Roles are a ladder: each one may do all that the ones below it may. What a route needs is declared in
operator_plane/permissions.py; which machines a person may decide about is told by labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

MOST_LABELS: Final = 32
_KEY: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?")
_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
NAME_RULE: Final = 'letters, digits and ".", "_", "-", "@", "+", at most 64, a letter or digit first'
"""Names of local operators and of tokens: ASCII, so that no two look alike in the audit. Those of OIDC have a colon."""


class Role(Enum):
    """What a person is trusted with, lowest first."""

    VIEWER = "viewer"
    APPROVER = "approver"
    ADMIN = "admin"

    def is_at_least(self, least: Role) -> bool:
        """Whether this role may do what ``least`` may."""
        return _LADDER.index(self) >= _LADDER.index(least)


_LADDER: Final = tuple(Role)


class Kind(Enum):
    """Where an operator comes from, and so how they sign in."""

    LOCAL = "local"
    OIDC = "oidc"
    BREAK_GLASS = "break-glass"


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """``site=fra``: a fact about a machine's entry, and a limit of an operator. Made by ``parse_label``."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class BadLabel(ValueError):
    """A text that is no label; the message says what one looks like."""


def parse_label(text: str) -> Label:
    """The label that ``text`` writes, as Kubernetes would take it. Raises BadLabel."""
    key, sign, value = text.strip().partition("=")
    if not sign or not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
        raise BadLabel(f'{text!r} is no label; write "site=fra" (letters, digits, "-", "_", "."; at most 63 of them)')
    return Label(key, value)


def parse_labels(texts: Iterable[str]) -> tuple[Label, ...]:
    """Labels in order, each once. Raises BadLabel, also for more than MOST_LABELS."""
    labels = tuple(sorted({parse_label(text) for text in texts}))
    if len(labels) > MOST_LABELS:
        raise BadLabel(f"more than {MOST_LABELS} labels")
    return labels


def is_within(limits: Iterable[Label], labels: Mapping[str, str]) -> bool:
    """Whether a machine with these ``labels`` is one that somebody with these ``limits`` may decide about.

    No limits: every machine. Else each key of the limits must be on the machine with one of its allowed values
    (``site=fra`` and ``site=ams``: either; ``site=fra`` and ``rack=4``: both). A machine without that label is not.
    """
    allowed: dict[str, set[str]] = {}
    for limit in limits:
        allowed.setdefault(limit.key, set()).add(limit.value)
    return all(labels.get(key) in values for key, values in allowed.items())


def lower_role(one: Role, other: Role) -> Role:
    """The one of two roles that may do less."""
    return other if one.is_at_least(other) else one


def narrowed(limits: tuple[Label, ...], others: tuple[Label, ...]) -> tuple[Label, ...] | None:
    """Limits that allow what both allow (``is_within``); None when no machine can be within both."""
    kept: list[Label] = []
    for key in {limit.key for limit in (*limits, *others)}:
        ours, theirs = ({limit for limit in side if limit.key == key} for side in (limits, others))
        both = ours & theirs if ours and theirs else ours | theirs
        if not both:
            return None
        kept += both
    return tuple(sorted(kept))


VIA_SESSION: Final = "session"
VIA_PASSKEY: Final = "passkey"
VIA_BREAK_GLASS: Final = "break-glass"
VIA_ADMIN_SOCKET: Final = "admin.sock"
_TOKEN: Final = "token:"  # noqa: S105  (how a name begins)


def via_oidc(provider_id: str) -> str:
    """How somebody came who signed in at the provider ``[[oidc]] id``."""
    return f"oidc:{provider_id}"


def via_token(token_name: str) -> str:
    """How a program came that showed the API token of this name."""
    return f"{_TOKEN}{token_name}"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who does something: a person or a program, what they may, and how they proved who they are.

    ``via``: session (a password), passkey, oidc:ID, break-glass, admin.sock or token:NAME. ``owner`` is the operator
    who answers for a program: whoever made its token; a person answers for themselves.
    """

    name: str
    role: Role
    labels: tuple[Label, ...] = ()
    via: str = VIA_SESSION
    owner: str = ""

    @property
    def person(self) -> str:
        """The name of the person who answers; empty for a program of which nobody knows whose it is."""
        return self.owner if self.via.startswith(_TOKEN) else self.name

    def may_decide_about(self, labels: Mapping[str, str]) -> bool:
        """Whether the role and the label limits allow a decision about a machine with these ``labels``."""
        return self.role.is_at_least(Role.APPROVER) and is_within(self.labels, labels)

    def __str__(self) -> str:
        """As a log or the audit names it: ``ana``, ``ana (break-glass)``, ``ana (token:laptop)``, ``ci (token:ci)``."""
        name = self.person or self.name
        return name if self.via in (VIA_SESSION, name) else f"{name} ({self.via})"


def socket_actor(user: str) -> Actor:
    """Whoever may open data/admin.sock: they own the database, so nothing is kept from them."""
    return Actor(user or "admin.sock", Role.ADMIN, via=VIA_ADMIN_SOCKET)

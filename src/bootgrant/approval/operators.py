"""Who acts: roles, the labels that limit a person, and the author that decisions, windows and the audit name.

A role is a set of rights (RIGHTS). operator_plane/permissions.py declares which right a route needs; labels limit the
machines that a person may decide about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from unicodedata import normalize

MOST_LABELS: Final = 32
_KEY: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?")
_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
NAME_RULE: Final = 'letters, digits and ".", "_", "-", "@", "+", at most 64, a letter or digit first'
"""Names of local operators and of tokens: ASCII, so that no two look alike in the audit. OIDC names have a colon."""


class Right(Enum):
    """What a role allows, in the words of a refusal: "this role may not …"."""

    READ = "read requests, armed windows, settings, and the audit"
    READ_CONFIGURATIONS = "see what machines get"
    READ_ACCOUNTS = "list operators and API tokens"
    DECIDE = "decide about machines"
    ADMINISTER = "administer the server"


class Role(Enum):
    """What a person is trusted with. Of several roles that a provider's rules give, the last one here counts."""

    VIEWER = "viewer"
    AUDITOR = "auditor"
    APPROVER = "approver"
    ADMIN = "admin"

    def has(self, right: Right) -> bool:
        return right in RIGHTS[self]

    def includes(self, other: Role) -> bool:
        """Return whether this role may do everything that ``other`` may do."""
        return RIGHTS[other] <= RIGHTS[self]


RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.VIEWER: frozenset({Right.READ, Right.READ_CONFIGURATIONS}),
    Role.AUDITOR: frozenset({Right.READ, Right.READ_ACCOUNTS}),
    Role.APPROVER: frozenset({Right.READ, Right.READ_CONFIGURATIONS, Right.DECIDE}),
    Role.ADMIN: frozenset(Right),
}
"""Roles are not a ladder: an auditor reads what a viewer may not, and the other way round."""


def roles_with(right: Right) -> tuple[Role, ...]:
    """Return the roles that have a right."""
    return tuple(role for role in Role if role.has(right))


class Kind(Enum):
    """Where an operator account comes from, and so how its person signs in."""

    LOCAL = "local"
    OIDC = "oidc"
    BREAK_GLASS = "break-glass"


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """``site=fra``: a property of a machine's entry, and a limit of an operator. Made by ``parse_label``."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class BadLabel(ValueError):
    """The text is not a label; the message shows what one looks like."""


def parse_label(text: str) -> Label:
    """Parse a label; keys and values have the form of Kubernetes labels. Raises BadLabel."""
    key, sign, value = text.strip().partition("=")
    if not sign or not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
        raise BadLabel(
            f'{text!r} is not a label; write "site=fra" (letters, digits, "-", "_" and ".", at most 63 characters)'
        )
    return Label(key, value)


def parse_labels(texts: Iterable[str]) -> tuple[Label, ...]:
    """Return the labels sorted and without duplicates. Raises BadLabel, also for more than MOST_LABELS."""
    labels = tuple(sorted({parse_label(text) for text in texts}))
    if len(labels) > MOST_LABELS:
        raise BadLabel(f"more than {MOST_LABELS} labels")
    return labels


def is_within(limits: Iterable[Label], labels: Mapping[str, str]) -> bool:
    """Return whether a person with these ``limits`` may decide about a machine with these ``labels``.

    Without limits: every machine. Otherwise the machine must have, for each key of the limits, one of the allowed
    values (``site=fra`` and ``site=ams``: either; ``site=fra`` and ``rack=4``: both).
    """
    allowed: dict[str, set[str]] = {}
    for limit in limits:
        allowed.setdefault(limit.key, set()).add(limit.value)
    return all(labels.get(key) in values for key, values in allowed.items())


def common_role(one: Role, other: Role) -> tuple[Role, Role | None]:
    """Return the role that has the rights that both have, and None.

    Where no role has exactly these rights (approver and auditor, viewer and auditor), return both, the lower one first:
    only what both allow is allowed (``Actor.limit``).
    """
    if one.includes(other):
        return other, None
    if other.includes(one):
        return one, None
    low, high = sorted((one, other), key=list(Role).index)
    return low, high


def narrowed(limits: tuple[Label, ...], others: tuple[Label, ...]) -> tuple[Label, ...] | None:
    """Return limits that allow what both allow (``is_within``); None when no machine can be within both."""
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
VIA_RULE: Final = "rule"
"""A rule or an armed window decided, not a person."""

_TOKEN: Final = "token:"  # noqa: S105  (a prefix)


def via_oidc(provider_id: str) -> str:
    """Return the way of a person who signed in at the provider ``[[oidc]] id``."""
    return f"oidc:{provider_id}"


def via_token(token_name: str) -> str:
    """Return the way of a program that presented the API token of this name."""
    return f"{_TOKEN}{token_name}"


def person_key(name: str) -> str:
    """Return what two names of the same person have in common: names are compared without case."""
    return normalize("NFKC", normalize("NFKC", name).casefold()).strip()


@dataclass(frozen=True, slots=True)
class Author:
    """Who decided, voted or armed a window, and how they signed in. Stored with what they did; gives no rights.

    ``name`` is the person who answers for it: an operator, the owner of an API token, or the user of the admin socket.
    It is empty for a token without owner, and names the rule or window for VIA_RULE. ``via`` is session (a password),
    passkey, oidc:ID, break-glass, admin.sock, token:NAME or rule; empty when an early version did not store it.
    """

    name: str
    via: str = VIA_SESSION

    @property
    def token(self) -> str:
        """The name of the API token that was used; empty for none."""
        return self.via.removeprefix(_TOKEN) if self.via.startswith(_TOKEN) else ""

    @property
    def is_automatic(self) -> bool:
        return self.via == VIA_RULE

    def is_same_person(self, other: Author) -> bool:
        """Return whether both may be one person, whichever way they came.

        Nobody knows who is behind the admin socket, so everybody who uses it counts as one person; so do all tokens
        without an owner.
        """
        return person_key(self.name) == person_key(other.name) or self.via == other.via == VIA_ADMIN_SOCKET

    def is_operator(self, name: str) -> bool:
        """Return whether the operator of this name answers for it."""
        return not self.is_automatic and person_key(self.name) == person_key(name)

    def __str__(self) -> str:
        """As logs, pages and the audit show it: ``ana``, ``ana (passkey)``, ``ana (token:laptop)``, ``rule spare``."""
        name = self.name or self.token
        return name if self.via in ("", VIA_SESSION, VIA_RULE, name) else f"{name} ({self.via})"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or program that calls: what it may do, and how it authenticated.

    ``via`` is as in Author. ``owner`` is the operator who made a program's token and answers for it. ``limit`` is a
    second role that also has to allow everything: that of the owner, where no role says what both may do.
    """

    name: str
    role: Role
    labels: tuple[Label, ...] = ()
    via: str = VIA_SESSION
    owner: str = ""
    limit: Role | None = None

    def may(self, right: Right) -> bool:
        """Return whether the role allows it, and the owner's role if that limits it."""
        return self.role.has(right) and (self.limit is None or self.limit.has(right))

    @property
    def author(self) -> Author:
        """Who answers for what this actor does."""
        return Author(self.owner if self.via.startswith(_TOKEN) else self.name, self.via)

    def may_decide_about(self, labels: Mapping[str, str]) -> bool:
        """Return whether role and limits allow a decision about a machine with these ``labels``."""
        return self.may(Right.DECIDE) and is_within(self.labels, labels)

    def __str__(self) -> str:
        return str(self.author)


def socket_actor(user: str) -> Actor:
    """Return the actor of a call on data/admin.sock, who may do everything: they own the database file."""
    return Actor(user or VIA_ADMIN_SOCKET, Role.ADMIN, via=VIA_ADMIN_SOCKET)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing changed, and what to do, as one line for the person who asked for the change."""

    message: str

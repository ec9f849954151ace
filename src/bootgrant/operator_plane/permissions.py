"""The permission that each route names where it is declared. A route without one keeps the server from starting."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from bootgrant.approval.operators import Actor, Right, Role, roles_with


class Permission(Enum):
    """Who may call a route."""

    PUBLIC = "anybody who can reach the server"
    PROVIDER = "a provider, whose request proves itself with a signed token"
    COMMAND_LINE = "a command line that logs in, which gets nothing before a person approves it"
    AFTER_PASSWORD = "an operator who has given the right password, even if a passkey is still required"  # noqa: S105  (no password)
    SIGNED_IN = "an operator or an API token with any role"
    CONFIGURATIONS = "an operator or an API token that may see what machines get"
    ACCOUNTS = "an auditor or admin whose rights are not limited by labels, because accounts belong to no machine"
    APPROVER = "an operator or an API token that may decide about machines"
    ADMIN = "an admin"
    ADMIN_OF_ALL = "an admin whose rights are not limited by labels, because operators and tokens can have any rights"


NEEDED: Final[Mapping[Permission, Right]] = {
    Permission.AFTER_PASSWORD: Right.READ,
    Permission.SIGNED_IN: Right.READ,
    Permission.CONFIGURATIONS: Right.READ_CONFIGURATIONS,
    Permission.ACCOUNTS: Right.READ_ACCOUNTS,
    Permission.APPROVER: Right.DECIDE,
    Permission.ADMIN: Right.ADMINISTER,
    Permission.ADMIN_OF_ALL: Right.ADMINISTER,
}
"""The right that a permission requires. Which roles have it: approval/operators.py, RIGHTS."""

FOR_EVERY_MACHINE: Final = frozenset({Permission.ACCOUNTS, Permission.ADMIN_OF_ALL})
"""Permissions that nobody has whose rights are limited by labels."""


def roles_of(permission: Permission) -> tuple[Role, ...]:
    """Return the roles that have a permission."""
    return roles_with(NEEDED[permission]) if permission in NEEDED else tuple(Role)


def named_roles(permission: Permission) -> str:
    """Return the roles that have a permission in words, such as "viewer, approver or admin"."""
    *others, last = (role.value for role in roles_of(permission))
    return f"{', '.join(others)} or {last}" if others else last


def is_allowed(actor: Actor, permission: Permission) -> bool:
    """Return whether ``actor`` may call a route with this permission."""
    if permission in FOR_EVERY_MACHINE and actor.labels:
        return False
    return permission not in NEEDED or actor.may(NEEDED[permission])


def why_not(actor: Actor, permission: Permission) -> str:
    """Return why ``actor`` may not call a route with this permission, as one line."""
    needed = f"this needs the role {named_roles(permission)}"
    if not actor.may(NEEDED[permission]):
        limit = f", limited to what the role {actor.limit.value} may do" if actor.limit else ""
        return f"{needed}; {actor} has the role {actor.role.value}{limit}"
    return f"{needed} for every machine; {actor} is limited to {', '.join(map(str, actor.labels))}"


class UndeclaredRoute(Exception):
    """A route without a permission, or with one that its listener must not offer."""


def require_permission(method: str, path: str, permission: object, offered: frozenset[Permission]) -> Permission:
    """Return the permission that a route declares, if it is one that the listener may offer. Raises UndeclaredRoute."""
    if not isinstance(permission, Permission):
        raise UndeclaredRoute(f"{method} {path} has no permission: name one where the route is declared")
    if permission not in offered:
        raise UndeclaredRoute(f"{method} {path} is for {permission.value}, which this listener does not serve")
    return permission

"""The permission that each route names where it is declared. A route without one keeps the server from starting."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from bootgrant.approval.operators import Actor, Role


class Permission(Enum):
    """Who may call a route."""

    PUBLIC = "anybody who can reach the server"
    PROVIDER = "a provider, whose request proves itself with a signed token"
    AFTER_PASSWORD = "an operator who has given the right password, even if a passkey is still required"  # noqa: S105  (no password)
    SIGNED_IN = "an operator or an API token with any role"
    APPROVER = "an operator or an API token that may decide about machines"
    ADMIN = "an admin"
    ADMIN_OF_ALL = "an admin whose rights are not limited by labels, because operators and tokens can have any rights"


LEAST_ROLE: Final[Mapping[Permission, Role]] = {
    Permission.AFTER_PASSWORD: Role.VIEWER,
    Permission.SIGNED_IN: Role.VIEWER,
    Permission.APPROVER: Role.APPROVER,
    Permission.ADMIN: Role.ADMIN,
    Permission.ADMIN_OF_ALL: Role.ADMIN,
}
"""The lowest role that has a permission."""


def is_allowed(actor: Actor, permission: Permission) -> bool:
    """Return whether ``actor`` may call a route with this permission."""
    least = LEAST_ROLE.get(permission)
    is_limited = permission is Permission.ADMIN_OF_ALL and bool(actor.labels)
    return least is None or (actor.role.is_at_least(least) and not is_limited)


class UndeclaredRoute(Exception):
    """A route without a permission, or with one that its listener must not offer."""


def require_permission(method: str, path: str, permission: object, offered: frozenset[Permission]) -> Permission:
    """Return the permission that a route declares, if it is one that the listener may offer. Raises UndeclaredRoute."""
    if not isinstance(permission, Permission):
        raise UndeclaredRoute(f"{method} {path} has no permission: name one where the route is declared")
    if permission not in offered:
        raise UndeclaredRoute(f"{method} {path} is for {permission.value}, which this listener does not serve")
    return permission

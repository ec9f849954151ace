"""Who may call what: one table. A route of this plane that is not in it keeps the server from starting."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from bootgrant.approval.operators import Actor, Role


class Permission(Enum):
    """What a caller must have shown before a route runs."""

    PUBLIC = "anybody who can reach the server"
    AFTER_PASSWORD = "an operator whose password was right, also when a passkey is still to come"  # noqa: S105  (no password)
    SIGNED_IN = "an operator or a token, whatever the role"
    APPROVER = "an operator who may decide"
    ADMIN = "an operator who may do everything"
    ADMIN_OF_ALL = "an operator who may do everything, with every machine: who makes operators and tokens has no limits"


PERMISSIONS: Final[Mapping[tuple[str, str], Permission]] = {
    ("GET", "/login"): Permission.PUBLIC,
    ("POST", "/login"): Permission.PUBLIC,
    ("POST", "/logout"): Permission.AFTER_PASSWORD,
    ("GET", "/login/passkey"): Permission.PUBLIC,
    ("POST", "/login/passkey"): Permission.PUBLIC,
    ("GET", "/login/oidc/{provider}"): Permission.PUBLIC,
    ("GET", "/login/oidc/{provider}/callback"): Permission.PUBLIC,
    ("GET", "/login/second"): Permission.AFTER_PASSWORD,
    ("POST", "/login/second"): Permission.AFTER_PASSWORD,
    ("GET", "/login/again"): Permission.SIGNED_IN,
    ("POST", "/login/again"): Permission.SIGNED_IN,
    ("POST", "/login/again/passkey"): Permission.SIGNED_IN,
    ("GET", "/account"): Permission.SIGNED_IN,
    ("GET", "/account/passkeys/new"): Permission.AFTER_PASSWORD,
    ("POST", "/account/passkeys/new"): Permission.AFTER_PASSWORD,
    ("POST", "/account/passkeys/remove"): Permission.SIGNED_IN,
    ("POST", "/account/sessions/end"): Permission.SIGNED_IN,
    ("GET", "/account/tokens/new"): Permission.SIGNED_IN,
    ("POST", "/account/tokens/new"): Permission.SIGNED_IN,
    ("POST", "/account/tokens/end"): Permission.SIGNED_IN,
    ("GET", "/account/password"): Permission.SIGNED_IN,
    ("POST", "/account/password"): Permission.SIGNED_IN,
    ("GET", "/static/{name}"): Permission.PUBLIC,
    ("GET", "/"): Permission.SIGNED_IN,
    ("GET", "/events"): Permission.SIGNED_IN,
    ("GET", "/batch"): Permission.APPROVER,
    ("POST", "/batch"): Permission.APPROVER,
    ("GET", "/audit"): Permission.SIGNED_IN,
    ("GET", "/settings"): Permission.SIGNED_IN,
    ("GET", "/device"): Permission.SIGNED_IN,
    ("POST", "/device"): Permission.SIGNED_IN,
    ("GET", "/d/{code}"): Permission.SIGNED_IN,
    ("GET", "/requests/{grant_id}"): Permission.SIGNED_IN,
    ("GET", "/requests/{grant_id}/configuration"): Permission.SIGNED_IN,
    ("POST", "/requests/{grant_id}/approve"): Permission.APPROVER,
    ("POST", "/requests/{grant_id}/deny"): Permission.APPROVER,
    ("POST", "/requests/{grant_id}/revoke"): Permission.ADMIN,
    ("POST", "/requests/{grant_id}/assign"): Permission.APPROVER,
    ("POST", "/requests/{grant_id}/unassign"): Permission.APPROVER,
    ("GET", "/api/v1/openapi.json"): Permission.PUBLIC,
    ("GET", "/api/v1/whoami"): Permission.SIGNED_IN,
    ("GET", "/api/v1/pending"): Permission.SIGNED_IN,
    ("GET", "/api/v1/grants/{code}"): Permission.SIGNED_IN,
    ("GET", "/api/v1/requests/{id}"): Permission.SIGNED_IN,
    ("GET", "/api/v1/requests/{id}/configuration"): Permission.SIGNED_IN,
    ("POST", "/api/v1/approve"): Permission.APPROVER,
    ("POST", "/api/v1/deny"): Permission.APPROVER,
    ("POST", "/api/v1/revoke"): Permission.ADMIN,
    ("POST", "/api/v1/requests/{id}/revoke"): Permission.ADMIN,
    ("GET", "/api/v1/machines"): Permission.SIGNED_IN,
    ("GET", "/api/v1/configurations"): Permission.SIGNED_IN,
    ("GET", "/api/v1/settings"): Permission.SIGNED_IN,
    ("POST", "/api/v1/machines/explain"): Permission.SIGNED_IN,
    ("GET", "/api/v1/assignments"): Permission.SIGNED_IN,
    ("POST", "/api/v1/assign"): Permission.APPROVER,
    ("POST", "/api/v1/unassign"): Permission.APPROVER,
    ("GET", "/api/v1/windows"): Permission.SIGNED_IN,
    ("POST", "/api/v1/arm"): Permission.APPROVER,
    ("POST", "/api/v1/disarm"): Permission.APPROVER,
    ("GET", "/api/v1/audit"): Permission.SIGNED_IN,
    ("GET", "/api/v1/operators"): Permission.ADMIN_OF_ALL,
    ("POST", "/api/v1/operators"): Permission.ADMIN_OF_ALL,
    ("PATCH", "/api/v1/operators/{name}"): Permission.ADMIN_OF_ALL,
    ("POST", "/api/v1/operators/{name}/disable"): Permission.ADMIN_OF_ALL,
    ("POST", "/api/v1/operators/{name}/enable"): Permission.ADMIN_OF_ALL,
    ("POST", "/api/v1/operators/{name}/reset"): Permission.ADMIN_OF_ALL,
    ("GET", "/api/v1/tokens"): Permission.ADMIN_OF_ALL,
    ("POST", "/api/v1/tokens"): Permission.ADMIN_OF_ALL,
    ("DELETE", "/api/v1/tokens/{name}"): Permission.ADMIN_OF_ALL,
}


LEAST_ROLE: Final[Mapping[Permission, Role]] = {
    Permission.AFTER_PASSWORD: Role.VIEWER,
    Permission.SIGNED_IN: Role.VIEWER,
    Permission.APPROVER: Role.APPROVER,
    Permission.ADMIN: Role.ADMIN,
    Permission.ADMIN_OF_ALL: Role.ADMIN,
}
"""The lowest role that a route's permission is given to."""


def is_allowed(actor: Actor, permission: Permission) -> bool:
    """Whether ``actor`` may call a route with this permission."""
    least = LEAST_ROLE.get(permission)
    is_limited = permission is Permission.ADMIN_OF_ALL and bool(actor.labels)
    return least is None or (actor.role.is_at_least(least) and not is_limited)


class UndeclaredRoute(Exception):
    """A route without a permission, or one that its listener must not offer."""


def permission_of(method: str, path: str, offered: frozenset[Permission]) -> Permission:
    """The declared permission of a route, one of those that this listener ``offered``. Raises UndeclaredRoute."""
    permission = PERMISSIONS.get((method, path))
    if permission is None:
        raise UndeclaredRoute(f"{method} {path} has no permission: declare it in operator_plane/permissions.py")
    if permission not in offered:
        raise UndeclaredRoute(f"{method} {path} is for {permission.value}, and this listener is not for them")
    return permission

"""Operators' programs at ``/introspect`` and ``/revoke``: who shows an API token, and whether its role is enough."""

from __future__ import annotations

from typing import Final

from bootgrant.approval.operators import Actor, Role
from bootgrant.asgi.answer import Headers
from bootgrant.machine_plane.clients import Program
from bootgrant.machine_plane.form import BadRequest
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.api_tokens import ApiTokens

# RFC 7662 section 2.3: 401 as in RFC 6750 for a token that is no good, and for one that allows too little.
_UNKNOWN: Final[Headers] = ((b"www-authenticate", b'Bearer realm="bootgrant", error="invalid_token"'),)
_TOO_LITTLE: Final[Headers] = ((b"www-authenticate", b'Bearer realm="bootgrant", error="insufficient_scope"'),)


async def actor_of(program: Program, tokens: ApiTokens, least: Role) -> Actor:
    """Who shows this token. Raises BadRequest (``invalid_client``) and StoreUnavailable."""
    actor = await tokens.authenticate(program.secret or Secret(""))
    if actor is None:
        told = "this API token is unknown, revoked or expired: bootgrant tokens add makes one"
        raise BadRequest(ErrorCode.INVALID_CLIENT, told, 401, _UNKNOWN)
    if not actor.role.is_at_least(least):
        told = f"this needs an API token with the role {least.value}; this one has {actor.role.value}"
        raise BadRequest(ErrorCode.INVALID_CLIENT, told, 401, _TOO_LITTLE)
    return actor

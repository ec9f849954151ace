"""The OAuth client or API token that a request names, and its authentication (RFC 6749 section 2.3).

Talos sends each poll twice: first with Basic and an empty password, then without. Both name the client in the body as
well. An empty password proves nothing and is ignored: the body counts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from bootgrant.approval.operators import Actor, Right, roles_with
from bootgrant.asgi import Scope
from bootgrant.asgi.answer import Headers
from bootgrant.machine_plane.form import BadRequest, header
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.secret import Secret

if TYPE_CHECKING:
    # Commands read the settings, which name clients, and should not import the workflows for that.
    from bootgrant.workflows.people.api_tokens import ApiTokens

# RFC 7662 section 2.3 wants a 401 as in RFC 6750, both for an invalid token and for one with too few rights.
_UNKNOWN: Final[Headers] = ((b"www-authenticate", b'Bearer realm="bootgrant", error="invalid_token"'),)
_TOO_LITTLE: Final[Headers] = ((b"www-authenticate", b'Bearer realm="bootgrant", error="insufficient_scope"'),)


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client. Without a secret it is public: its id is only a name.

    With ``any_token`` it may also revoke tokens of other clients (RFC 7009 section 2.1 only gives it its own).
    """

    client_id: str
    secret: Secret | None = None
    any_token: bool = False


@dataclass(frozen=True, slots=True)
class Program(Client):
    """A program that sent an API token, kept in ``secret``. The token has not been checked yet: see ``actor_of``."""


@dataclass(frozen=True, slots=True)
class _Basic:
    user: str
    password: Secret


def identify(scope: Scope, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """Return the known client that the request names, unauthenticated. Raises BadRequest (``invalid_client``)."""
    basic = _basic(scope)
    client_id = form.get("client_id") or (basic.user if basic else "")
    if not client_id:
        raise BadRequest(ErrorCode.INVALID_CLIENT, "client_id is missing (talos.config.oauth.client_id)", 401)
    client = clients.get(client_id)
    if client is None:
        problem = "unknown client_id: add it to [[clients]] in bootgrant.toml"
        raise BadRequest(ErrorCode.INVALID_CLIENT, problem, 401)
    return client


def authenticate(scope: Scope, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """Return the client, authenticated by ``client_secret_basic`` or ``client_secret_post`` if it has a secret.

    Raises BadRequest (``invalid_client``).
    """
    client = identify(scope, form, clients)
    if client.secret is None:
        return client
    basic = _basic(scope)
    offered = [Secret(form["client_secret"])] if form.get("client_secret") else []
    if basic is not None and basic.user == client.client_id and basic.password:
        offered.append(basic.password)
    if not offered or not all(secret == client.secret for secret in offered):
        raise BadRequest(ErrorCode.INVALID_CLIENT, "the client secret is missing or wrong", 401)
    return client


def authenticate_confidential(scope: Scope, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """Return a client that has a secret and sent it. Raises BadRequest (``invalid_client``)."""
    client = authenticate(scope, form, clients)
    if client.secret is None:
        raise BadRequest(ErrorCode.INVALID_CLIENT, "this endpoint requires a client with a secret", 401)
    return client


def authenticate_token_client(scope: Scope, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """Return a client that has a secret and sent it, or a Program. Raises BadRequest (``invalid_client``)."""
    scheme, _, credentials = (header(scope, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"bearer":
        return authenticate_confidential(scope, form, clients)
    return Program("", Secret(credentials.strip().decode("latin-1")))


async def actor_of(program: Program, tokens: ApiTokens, right: Right) -> Actor:
    """Return the owner of the program's API token. Raises BadRequest (``invalid_client``) and StoreUnavailable."""
    actor = await tokens.authenticate(program.secret or Secret(""))
    if actor is None:
        problem = "this API token is unknown, revoked or expired: create one with bootgrant tokens add"
        raise BadRequest(ErrorCode.INVALID_CLIENT, problem, 401, _UNKNOWN)
    if not actor.may(right):
        roles = " or ".join(role.value for role in roles_with(right))
        problem = f"this needs an API token with the role {roles}; this one has {actor.role.value}"
        raise BadRequest(ErrorCode.INVALID_CLIENT, problem, 401, _TOO_LITTLE)
    return actor


def _basic(scope: Scope) -> _Basic | None:
    """Parse a Basic header (RFC 6749 section 2.3.1). Return None if it is absent or malformed."""
    scheme, _, encoded = (header(scope, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        return _Basic(unquote_plus(user, errors="strict"), Secret(unquote_plus(password, errors="strict")))
    except (binascii.Error, UnicodeError):
        return None

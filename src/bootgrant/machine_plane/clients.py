"""Which client sends a request, and whether it proves it (RFC 6749 section 2.3).

Talos sends each poll first with Basic and an empty password, then without; both name the client in the body too. An
empty password proves nothing and offends nobody: the body counts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from bootgrant.asgi.types import Scope
from bootgrant.machine_plane.form import BadRequest, header
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client. Without a secret it is public: its id is a name and no proof.

    ``any_token``: it may end tokens of other clients too (RFC 7009 section 2.1 gives it its own).
    """

    client_id: str
    secret: Secret | None = None
    any_token: bool = False


@dataclass(frozen=True, slots=True)
class Program(Client):
    """Whoever shows an API token, which is the ``secret``. Whose it is, and what it allows, is still to be asked."""


@dataclass(frozen=True, slots=True)
class _Basic:
    user: str
    password: Secret


def identify(scope: Scope, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """The known client that the request names; no proof is asked for. Raises BadRequest (``invalid_client``)."""
    basic = _basic(scope)
    client_id = form.get("client_id") or (basic.user if basic else "")
    if not client_id:
        raise BadRequest(ErrorCode.INVALID_CLIENT, "client_id is missing (talos.config.oauth.client_id)", 401)
    client = clients.get(client_id)
    if client is None:
        told = "unknown client_id: bootgrant.toml names the known ones in [[clients]]"
        raise BadRequest(ErrorCode.INVALID_CLIENT, told, 401)
    return client


def authenticate(scope: Scope, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """The client, and for one with a secret its proof: ``client_secret_basic`` or ``client_secret_post``.

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
        raise BadRequest(ErrorCode.INVALID_CLIENT, "this client has a secret, and the request does not show it", 401)
    return client


def authenticate_confidential(scope: Scope, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """A client that has a secret and shows it. Raises BadRequest (``invalid_client``)."""
    client = authenticate(scope, form, clients)
    if client.secret is None:
        raise BadRequest(ErrorCode.INVALID_CLIENT, "only a client with a secret may ask this", 401)
    return client


def authenticate_asker(scope: Scope, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """A client that has a secret and shows it, or a Program. Raises BadRequest (``invalid_client``)."""
    scheme, _, shown = (header(scope, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"bearer":
        return authenticate_confidential(scope, form, clients)
    return Program("", Secret(shown.strip().decode("latin-1")))


def _basic(scope: Scope) -> _Basic | None:
    """A Basic header (RFC 6749 section 2.3.1), None without one or with one that cannot be read."""
    scheme, _, encoded = (header(scope, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        return _Basic(unquote_plus(user, errors="strict"), Secret(unquote_plus(password, errors="strict")))
    except (binascii.Error, UnicodeError):
        return None

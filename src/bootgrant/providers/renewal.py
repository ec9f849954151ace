"""Refresh tokens of people who signed in, used to learn whether the provider's session continues (RFC 6749, 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from bootgrant.ports.providers import Cause, Ended, ProviderWrong, Renewed
from bootgrant.providers.arrived import without
from bootgrant.providers.client import ProviderAnswer
from bootgrant.providers.jwt import moment
from bootgrant.wire.secret import Secret

_CAUSES: Final = (
    # Keycloak (TokenManager.validateToken), then Microsoft Entra: the account is disabled (50057), was deleted
    # (500341), or does not exist (50034, 51004). Revoked tokens (50173: signed out everywhere, a new password) and a
    # disabled computer (135011) say nothing about the account.
    (re.compile(r"^User disabled$"), Cause.LEFT),
    (re.compile(r"^Session not active$"), Cause.ENDED),
    (re.compile(r"^AADSTS(50057|500341|50034|51004)\b"), Cause.LEFT),
)
"""What the descriptions of providers that say more than ``invalid_grant`` mean. Every other one is unclear."""


def renewal_of(tokens: Mapping[str, Any], now: float) -> Renewed | None:
    """Return the refresh token in the answer of a token endpoint at ``now``; None without one.

    Keycloak adds when it expires (``refresh_expires_in``, seconds; 0 for never).
    """
    token, lifetime = tokens.get("refresh_token"), moment(tokens.get("refresh_expires_in"))
    if not isinstance(token, str) or not token:
        return None
    return Renewed(Secret(token), now + lifetime if lifetime is not None and lifetime > 0 else None)


def read_renewal(answer: ProviderAnswer, used: Secret, now: float, name: str) -> Renewed | Ended:
    """Return what the token endpoint's answer to the refresh token ``used`` means.

    Without a new refresh token the used one remains valid. Raise ProviderWrong for errors that do not concern the
    session, such as those of a wrong client secret. ``name`` is the provider's.
    """
    if answer.status == 200:
        tokens = answer.members
        return renewal_of(tokens, now) or renewal_of({**tokens, "refresh_token": used.reveal()}, now) or _impossible()
    texts = (str(answer.members.get(member) or "") for member in ("error", "error_description"))
    error, description = (without(text, [used]) for text in texts)
    if error != "invalid_grant":
        raise ProviderWrong(
            f"provider {name}: the token endpoint does not renew tokens: {(error or f'status {answer.status}')[:100]!a}"
            f' {description[:200]!a}; check the client in [[oidc]], or set check_every = "0s"'
        )
    cause = next((cause for pattern, cause in _CAUSES if pattern.search(description)), Cause.UNCLEAR)
    return Ended(cause, ascii(description[:200] or error)[1:-1])


def _impossible() -> Renewed:
    raise AssertionError("the refresh token that was used is not empty")

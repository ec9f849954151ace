"""A token that only the provider understands: its word by introspection (RFC 7662) or at its userinfo endpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal
from bootgrant.ports.time import Clock
from bootgrant.providers.asking import Provider
from bootgrant.providers.documents import Documents
from bootgrant.providers.jwt_check import meant_for_us, moment
from bootgrant.providers.settings import ProviderSettings
from bootgrant.wire.secret import Secret

log = logging.getLogger("bootgrant.providers")


class IntrospectionCheck:
    def __init__(self, settings: ProviderSettings, provider: Provider, documents: Documents, clock: Clock) -> None:
        self._settings = settings
        self._provider = provider
        self._documents = documents
        self._clock = clock

    async def check(self, token: Secret) -> Mapping[str, Any] | TokenRefusal:
        """What the provider says of an active token. Raises ProviderUnavailable."""
        settings = self._settings
        url = await self._documents.endpoint(settings.introspection_url, "introspection_endpoint")
        form = {"token": token.reveal(), "token_type_hint": "access_token"}
        basic = None
        if settings.client_secret is not None:
            basic = (settings.client_id, settings.client_secret.reveal())
        elif settings.client_id:
            form["client_id"] = settings.client_id
        answer = await self._provider.post(url, form, basic)
        if answer.status != 200:
            # A client that the provider does not know, or may not ask: no word about the token.
            raise ProviderUnavailable(
                f"provider {settings.name} refuses our question at {url} (status {answer.status}): "
                "look at client_id and client_secret_file of [[providers]]"
            )
        claims = answer.members
        if claims.get("active") is not True:
            return TokenRefusal.UNKNOWN
        if "iss" in claims and claims["iss"] != settings.issuer:
            log.info(
                "provider %s: a token is not accepted: it is of the issuer %.200s", settings.name, ascii(claims["iss"])
            )
            return TokenRefusal.INVALID
        now = self._clock.now()
        ends, begins = moment(claims.get("exp")), moment(claims.get("nbf"))
        if ends is not None and ends + settings.leeway <= now:
            return TokenRefusal.EXPIRED
        if begins is not None and begins > now + settings.leeway:
            return TokenRefusal.EARLY
        return meant_for_us(settings, claims) or claims


class UserinfoCheck:
    """The endpoint says who, and nothing of whom the token was given out for."""

    def __init__(self, settings: ProviderSettings, provider: Provider, documents: Documents) -> None:
        self._settings = settings
        self._provider = provider
        self._documents = documents

    async def check(self, token: Secret) -> Mapping[str, Any] | TokenRefusal:
        """The claims about the person. Raises ProviderUnavailable."""
        url = await self._documents.endpoint(self._settings.userinfo_url, "userinfo_endpoint")
        answer = await self._provider.get(url, {"authorization": f"Bearer {token.reveal()}"})
        if answer.status in (401, 403):
            return TokenRefusal.UNKNOWN
        if answer.status != 200:
            raise ProviderUnavailable(f"provider {self._settings.name} answers {answer.status} at {url}")
        return answer.members

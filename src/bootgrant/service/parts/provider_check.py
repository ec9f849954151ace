"""Checks that a site's outside providers can be used, before a machine needs them."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal
from bootgrant.ports.time import Clock
from bootgrant.providers.tokens import OneProvider
from bootgrant.service.settings.site import Site
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class ProviderLook:
    """``problem`` is empty if the provider can be used."""

    name: str
    problem: str


async def look_at_providers(site: Site, clock: Clock) -> list[ProviderLook]:
    """Fetch each provider's metadata and keys, or show it a made-up token."""
    return [ProviderLook(settings.name, await _problem(OneProvider(settings, clock))) for settings in site.providers]


async def _problem(provider: OneProvider) -> str:
    try:
        outcome = await provider.probe(Secret("bootgrant-doctor-no-token-of-anybody"))
    except ProviderUnavailable as error:
        return str(error)
    return "" if isinstance(outcome, TokenRefusal) else f"provider {provider.settings.name} accepts a made-up token"

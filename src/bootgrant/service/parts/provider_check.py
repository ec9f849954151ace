"""Asking a site's outside providers for what their tokens are checked with, before a machine needs it."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal
from bootgrant.ports.time import Clock
from bootgrant.providers.verifier import OneProvider
from bootgrant.service.settings.site import Site
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class ProviderLook:
    """``problem`` is empty when the provider gave what is needed."""

    name: str
    problem: str


async def look_at_providers(site: Site, clock: Clock) -> list[ProviderLook]:
    """One look at each: its metadata and keys, or its word about a token that nobody gave out."""
    return [ProviderLook(settings.name, await _problem(OneProvider(settings, clock))) for settings in site.providers]


async def _problem(provider: OneProvider) -> str:
    try:
        word = await provider.probe(Secret("bootgrant-doctor-no-token-of-anybody"))
    except ProviderUnavailable as error:
        return str(error)
    finally:
        await provider.provider.close()
    return "" if isinstance(word, TokenRefusal) else "it takes a made-up token for a good one"

"""Tries a site's outside services without a running server: identity providers, and targets of notifications."""

from __future__ import annotations

from bootgrant.ports.notifications import NotSent
from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal
from bootgrant.providers.tokens import OneProvider
from bootgrant.service.settings.site import Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.notify_waiting import send_test


async def probe_providers(site: Site) -> dict[str, str]:
    """Fetch each provider's metadata and keys, or show it a made-up token.

    Return by name why the provider cannot be used; empty if it can.
    """
    return {settings.name: await _problem(OneProvider(settings, SystemClock())) for settings in site.providers}


async def _problem(provider: OneProvider) -> str:
    try:
        outcome = await provider.probe(Secret("bootgrant-doctor-no-token-of-anybody"))
    except ProviderUnavailable as error:
        return str(error)
    return "" if isinstance(outcome, TokenRefusal) else f"provider {provider.settings.name} accepts a made-up token"


async def send_tests(site: Site, name: str | None) -> dict[str, str]:
    """Send a test message to the target of this name, or to all. Return by name why it failed; empty if it arrived."""
    outcomes: dict[str, str] = {}
    for target in site.notify:
        if name not in (None, target.name):
            continue
        message_id = f"msg_{SystemEntropy().random_bytes(12).hex()}"
        try:
            await send_test(target, site.operators_url, SystemClock().now(), message_id)
            outcomes[target.name] = ""
        except NotSent as error:
            outcomes[target.name] = str(error)
    return outcomes

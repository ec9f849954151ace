"""The provider that somebody came from, and the end of their session there."""

from __future__ import annotations

from starlette.responses import Response

from bootgrant.approval.operators import via_oidc
from bootgrant.operator_plane.login.sealing import unseal
from bootgrant.operator_plane.visit import Visit
from bootgrant.ports.providers import IdentityProvider, ProviderDown, ProviderWrong


async def signed_out_page(visit: Visit) -> Response | None:
    """The page for who came from a provider and signs out here; None where there is nothing to end there."""
    provider = provider_of(visit)
    if provider is None or visit.session is None or visit.who is None:
        return None
    id_token = unseal(visit.session, visit.who.session.sealed)
    try:
        url = await provider.sign_out_url(id_token, f"{visit.plane.public_url}/login")
    except (ProviderDown, ProviderWrong):
        return None
    return visit.nobody().page("signed_out.html", label=provider.label, url=url) if url else None


def provider_of(visit: Visit) -> IdentityProvider | None:
    """The provider that this person came from."""
    via = visit.who.session.via if visit.who else ""
    return next((one for one in visit.plane.oidc.providers.values() if via_oidc(one.provider_id) == via), None)

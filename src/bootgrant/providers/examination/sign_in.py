"""Examines one of ``[[oidc]]``: metadata, keys, the authorization request, the client's credentials, signing out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bootgrant.ports.providers import ProviderUnavailable, Request
from bootgrant.ports.time import Clock, Entropy
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.examination.asking import Asking, NoAnswer, Seen
from bootgrant.providers.examination.authorization import ACCEPTED, Asked, judge_authorization
from bootgrant.providers.examination.documents import keys_remarks, metadata_answer
from bootgrant.providers.examination.metadata import (
    judge_algorithms,
    judge_claims,
    judge_clock,
    judge_flow,
    judge_leaving,
    unknown_scopes,
)
from bootgrant.providers.examination.remark import Grade, Remark
from bootgrant.providers.examination.token_endpoint import judge_made_up_code
from bootgrant.providers.jwt import LEEWAY
from bootgrant.providers.settings import ALGORITHMS, SignInProvider
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.providers.token_answer import sends_in_form
from bootgrant.wire.secret import Secret

_TIMEOUT: Final = 10.0
_KEPT: Final = 600.0
_ADVICE: Final = "check the issuer in [[oidc]]"


@dataclass(frozen=True, slots=True)
class SignInExamination:
    """``base_url`` is where people open the pages, without a slash at its end."""

    settings: SignInProvider
    base_url: str
    clock: Clock
    entropy: Entropy

    async def run(self) -> list[Remark]:
        """Return what was found, in the order of a sign-in."""
        settings = self.settings
        client = ProviderClient(settings.provider_id, self.clock, _TIMEOUT)
        discovery = Discovery(client, settings.issuer, self.clock, kept=_KEPT, advice=_ADVICE)
        asking = self._asking()
        try:
            metadata = await discovery.metadata()
        except ProviderUnavailable as error:
            return [Remark(Grade.ERROR, "provider-metadata", str(error), _ADVICE)]
        found = [Remark(Grade.OK, "provider-metadata", f"the metadata names the issuer {settings.issuer}")]
        found += judge_clock(await metadata_answer(asking, settings.issuer), LEEWAY)
        found += judge_flow(metadata, settings)
        found += judge_algorithms(metadata, ALGORITHMS)
        found += await keys_remarks(discovery)
        found += await self._authorization(metadata)
        is_on = any(remark.code == ACCEPTED for remark in found)
        found += await self._credentials(asking, discovery, metadata, is_on=is_on)
        found += judge_claims(metadata, settings)
        found += judge_leaving(metadata, f"{self.base_url}/login/oidc/{settings.provider_id}/logout")
        return found

    @property
    def _redirect_uri(self) -> str:
        return f"{self.base_url}/login/oidc/{self.settings.provider_id}/callback"

    def _asking(self, *hidden: Secret) -> Asking:
        secret = self.settings.secret
        return Asking(self.clock, _TIMEOUT, None, (*hidden, *((secret,) if secret else ())))

    async def _authorization(self, metadata: Mapping[str, Any]) -> list[Remark]:
        settings = self.settings
        state, nonce, verifier = (self.entropy.random_bytes(24).hex() for _ in range(3))
        unknown = unknown_scopes(metadata, settings.scopes)
        asked = Asked(settings.client_id, self._redirect_uri, state, settings.scopes, unknown)
        try:
            # The address to which the server sends browsers.
            url = await OidcProvider(settings, self.clock).ask(
                Request(self._redirect_uri, state, nonce, Secret(verifier))
            )
            asking = self._asking(Secret(state), Secret(nonce))
            seen = await asking.get(f"{url}&prompt=none", accept="text/html")
        except (ProviderUnavailable, NoAnswer) as error:
            return [Remark(Grade.ERROR, "authorization-endpoint", str(error), "check the provider's own address")]
        remark = judge_authorization(seen, url, asked)
        return [remark, *([] if remark.code == "scope" else _judge_scopes(unknown))]

    async def _credentials(
        self, asking: Asking, discovery: Discovery, metadata: Mapping[str, Any], *, is_on: bool
    ) -> list[Remark]:
        try:
            seen = await self._with_made_up_code(asking, await discovery.endpoint("token_endpoint"), metadata)
        except (ProviderUnavailable, NoAnswer) as error:
            return [Remark(Grade.ERROR, "token-endpoint", str(error), "check the provider's own address")]
        return [judge_made_up_code(seen, self.settings, is_on=is_on)]

    async def _with_made_up_code(self, asking: Asking, url: str, metadata: Mapping[str, Any]) -> Seen:
        """Ask for tokens as OidcProvider does, with a code that nobody issued."""
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": f"bootgrant-doctor-{self.entropy.random_bytes(16).hex()}",
            "redirect_uri": self._redirect_uri,
            "code_verifier": self.entropy.random_bytes(24).hex(),
        }
        in_form = sends_in_form(metadata)
        if settings.secret is None or in_form:
            form["client_id"] = settings.client_id
        if settings.secret is not None and in_form:
            form["client_secret"] = settings.secret.reveal()
        basic = (settings.client_id, settings.secret) if settings.secret and not in_form else None
        return await asking.post(url, form, basic)


def _judge_scopes(unknown: list[str]) -> Iterator[Remark]:
    """Report scopes that are not in the metadata; a provider need not name all (OpenID Connect Discovery section 3)."""
    if unknown:
        message = f"scopes_supported does not name {', '.join(unknown)}: the provider may ignore it, with its claims"
        yield Remark(
            Grade.WARNING, "scope-unnamed", message, "create the scope at the provider, or remove it from scopes"
        )

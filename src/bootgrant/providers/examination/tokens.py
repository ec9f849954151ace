"""Examines one of ``[[providers]]``, whose tokens machines bring: metadata, keys, and a token that nobody issued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal
from bootgrant.ports.time import Clock, Entropy
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.examination.asking import Asking, NoAnswer, Seen
from bootgrant.providers.examination.documents import keys_remarks, metadata_answer
from bootgrant.providers.examination.metadata import judge_algorithms, judge_clock
from bootgrant.providers.examination.remark import Grade, Remark
from bootgrant.providers.jwt import listed
from bootgrant.providers.settings import Check, TokenProvider
from bootgrant.providers.tokens import OneProvider
from bootgrant.wire.secret import Secret

UNUSABLE: Final = "outside-provider-unusable"
_FIX: Final = "correct it in [[providers]] of bootgrant.toml, or at the provider; until then its tokens get 503"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class TokenExamination:
    """Sends the provider a made-up token, which it must refuse."""

    settings: TokenProvider
    clock: Clock
    entropy: Entropy

    async def run(self) -> list[Remark]:
        """Return what was found."""
        settings = self.settings
        asking = Asking(
            self.clock,
            settings.timeout,
            settings.ca_file,
            (settings.client_secret,) if settings.client_secret else (),
        )
        advice = "check the issuer, or set the endpoint in [[providers]]"
        discovery = Discovery(
            ProviderClient(settings.name, self.clock, settings.timeout, settings.ca_file),
            settings.issuer, self.clock, kept=settings.keys_kept, advice=advice, jwks_url=settings.jwks_url,
        )  # fmt: skip
        found = await self._checked(asking, discovery)
        found += judge_clock(await metadata_answer(asking, settings.issuer), settings.leeway)
        try:
            metadata = await discovery.metadata()
        except ProviderUnavailable as error:
            # With the endpoints in the settings, the server never reads the metadata.
            if not any(remark.grade is Grade.ERROR for remark in found):
                found.append(Remark(Grade.NOTE, "provider-metadata", str(error)))
            return found
        if settings.check is Check.JWT and settings.id_token:
            found += judge_algorithms(metadata, settings.algorithms)
        return [*found, _device_flow(metadata)]

    async def _checked(self, asking: Asking, discovery: Discovery) -> list[Remark]:
        """Check a made-up token as the server does, and look at the answer of the endpoint that it asks."""
        settings = self.settings
        token = Secret(f"bootgrant-doctor-{self.entropy.random_bytes(24).hex()}")
        try:
            if settings.check is Check.JWT:
                keys = await keys_remarks(discovery)
                if keys[0].grade is Grade.ERROR:
                    return [Remark(Grade.ERROR, UNUSABLE, keys[0].message, _FIX)]
                return [Remark(Grade.OK, "outside-provider", f"the provider {settings.name} is usable"), *keys]
            seen = await self._asked(asking, discovery, token)
            if (problem := self._problem(seen)) is not None:
                return [problem]
            outcome = await OneProvider(settings, self.clock).probe(token)
        except (ProviderUnavailable, NoAnswer) as error:
            return [Remark(Grade.ERROR, UNUSABLE, str(error), _FIX)]
        if not isinstance(outcome, TokenRefusal):
            return [_accepts_anything(settings.name)]
        return [Remark(Grade.OK, "outside-provider", f"the provider {settings.name} is usable")]

    async def _asked(self, asking: Asking, discovery: Discovery, token: Secret) -> Seen:
        settings = self.settings
        if settings.check is Check.USERINFO:
            return await asking.get(await discovery.endpoint("userinfo_endpoint", settings.userinfo_url), token)
        url = await discovery.endpoint("introspection_endpoint", settings.introspection_url)
        form = {"token": token.reveal(), "token_type_hint": "access_token"}
        basic = (settings.client_id, settings.client_secret) if settings.client_secret else None
        if basic is None:
            form["client_id"] = settings.client_id
        return await asking.post(url, form, basic)

    def _problem(self, seen: Seen) -> Remark | None:
        """Return what is wrong with the answer to a made-up token."""
        settings = self.settings
        if settings.check is Check.USERINFO:
            if seen.status == 200 and seen.members:
                return _accepts_anything(settings.name)
            if seen.status in (401, 403):
                return None
            message = f"the userinfo endpoint answers a made-up token with {seen.words()}, not 401"
            return Remark(Grade.ERROR, UNUSABLE, message, "check userinfo_url in [[providers]]")
        if seen.status == 200 and seen.members.get("active") is False:
            return None
        if seen.status == 200 and seen.members.get("active") is True:
            return _accepts_anything(settings.name)
        message = f"introspection at the provider {settings.name} is refused: {seen.words()}"
        fix = "compare client_id and client_secret_file in [[providers]] with the client, and let it introspect tokens"
        if seen.status not in (400, 401, 403):
            fix = "check introspection_url in [[providers]]"
        return Remark(Grade.ERROR, "introspection-refused", message, fix)


def _accepts_anything(name: str) -> Remark:
    message = f"the provider {name} accepts a made-up token: anyone could get configurations with it"
    return Remark(Grade.ERROR, UNUSABLE, message, "check the endpoint in [[providers]], and what is in front of it")


def _device_flow(metadata: Mapping[str, Any]) -> Remark:
    grants = listed(metadata.get("grant_types_supported"))
    endpoint = metadata.get("device_authorization_endpoint")
    if isinstance(endpoint, str) and (not grants or _GRANT in grants):
        message = "the provider has the device flow; its tokens should live an hour or longer"
        fix = "a Talos node retries for 3 hours with one token: Keycloak's default of 5 minutes is too short"
        return Remark(Grade.NOTE, "provider-device-flow", message, fix)
    message = "the metadata names no device flow, with which machines would get its tokens"
    return Remark(
        Grade.WARNING, "provider-device-flow", message, "turn on the device flow at the provider, and for the client"
    )

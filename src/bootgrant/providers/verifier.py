"""Several providers as one: each token goes to the provider that gave it out, and to no other."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from bootgrant.approval.claims import Person
from bootgrant.ports.providers import TokenRefusal, Verified
from bootgrant.ports.time import Clock
from bootgrant.providers.asked_checks import IntrospectionCheck, UserinfoCheck
from bootgrant.providers.asking import Provider
from bootgrant.providers.documents import Documents
from bootgrant.providers.jwt_check import JwtCheck, moment
from bootgrant.providers.settings import Check, ProviderSettings
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import read_unverified

log = logging.getLogger("bootgrant.providers")

_A_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
"""No token has anything else in it, and no question to a provider could carry it (RFC 6749 appendix A.12)."""
_REMEMBERED: Final = 4096
_WORD_KEPT: Final = 20.0
_NO_KEPT: Final = 2.0
"""Seconds for which a provider's word about a token is not asked again; the second for a refusal."""
_NAMES: Final = ("email", "preferred_username", "upn", "username", "name")


class _Checking(Protocol):
    async def check(self, token: Secret) -> Mapping[str, Any] | TokenRefusal: ...


class OneProvider:
    """A provider, its documents and the way in which its tokens are checked."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self.provider = Provider(settings, clock)
        documents = self._documents = Documents(settings, self.provider, clock)
        self._check: _Checking
        match settings.check:
            case Check.JWT:
                self._check = JwtCheck(settings, documents, clock)
            case Check.INTROSPECTION:
                self._check = IntrospectionCheck(settings, self.provider, documents, clock)
            case Check.USERINFO:
                self._check = UserinfoCheck(settings, self.provider, documents)
        self._words: OrderedDict[bytes, tuple[Verified | TokenRefusal, float]] = OrderedDict()

    async def probe(self, made_up: Secret) -> Verified | TokenRefusal:
        """What is said of a token that nobody gave out; keys are fetched for it. Raises ProviderUnavailable."""
        if self.settings.check is Check.JWT:
            await self._documents.keys(None)
        return await self.verify(made_up)

    async def verify(self, token: Secret) -> Verified | TokenRefusal:
        """Raises ProviderUnavailable."""
        if self.settings.check is Check.JWT:
            return self._said(await self._check.check(token))
        digest = hashlib.sha256(token.reveal().encode()).digest()
        known = self._words.get(digest)
        if known is not None and known[1] > self._clock.steady():
            return known[0]
        word = self._said(await self._check.check(token))
        self._words[digest] = (word, self._clock.steady() + self._good_for(word))
        if len(self._words) > _REMEMBERED:
            self._words.popitem(last=False)
        return word

    def _good_for(self, word: Verified | TokenRefusal) -> float:
        """Seconds for which the provider is not asked about this token again: never beyond the token's end."""
        if isinstance(word, TokenRefusal):
            return _NO_KEPT
        ends = word.person.expires_at
        return _WORD_KEPT if ends is None else max(0.0, min(_WORD_KEPT, ends - self._clock.now()))

    def _said(self, outcome: Mapping[str, Any] | TokenRefusal) -> Verified | TokenRefusal:
        if isinstance(outcome, TokenRefusal):
            return outcome
        subject = outcome.get("sub")
        if not isinstance(subject, str) or not subject:
            log.info("provider %s: a token is not accepted: no sub says whose it is", self.settings.name)
            return TokenRefusal.INVALID
        name = next((value for key in _NAMES if isinstance(value := outcome.get(key), str) and value), "")
        return Verified(
            Person(self.settings.name, subject, name, dict(outcome), moment(outcome.get("exp"))), self.settings.rules
        )


class Verifier:
    """ports.providers.TokenVerifier over all of a site's providers."""

    def __init__(self, providers: Sequence[ProviderSettings], clock: Clock) -> None:
        self._providers = [OneProvider(settings, clock) for settings in providers]

    @property
    def providers(self) -> Mapping[str, Provider]:
        """By their names, for metrics."""
        return {one.settings.name: one.provider for one in self._providers}

    async def verify(self, token: Secret) -> Verified | TokenRefusal:
        """Raises ProviderUnavailable."""
        if not _A_TOKEN.fullmatch(token.reveal()):
            return TokenRefusal.UNKNOWN
        read = read_unverified(token)
        issuer = read[1].get("iss") if read else None
        # A token that says who gave it out is shown to nobody else; one that is opaque to the one that takes such.
        asked = [one for one in self._providers if issuer == one.settings.issuer]
        if not asked and issuer is None:
            asked = [one for one in self._providers if one.settings.check is not Check.JWT]
        refusal = TokenRefusal.UNKNOWN
        for one in asked:
            word = await one.verify(token)
            if isinstance(word, Verified):
                return word
            log.info("provider %s: %s", one.settings.name, word.value)
            refusal = word
        return refusal

    async def close(self) -> None:
        for one in self._providers:
            await one.provider.close()

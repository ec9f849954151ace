"""Whose token is this? Tokens of ``[[providers]]``, checked by signature or by asking the provider."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bootgrant.approval.claims import Person
from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal, Verified
from bootgrant.ports.time import Clock
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.jwt import (
    ID_TOKEN_TYPES,
    JwtReader,
    Refused,
    SignedToken,
    invalid,
    is_for_client,
    listed,
    moment,
    untimely,
)
from bootgrant.providers.settings import Check, TokenProvider
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import read_unverified

log = logging.getLogger("bootgrant.providers")

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
"""What a token can consist of (RFC 6749 appendix A.12). Nothing else could be sent to a provider."""
_REMEMBERED: Final = 4096
_ACCEPTED_KEPT: Final = 20.0
_REFUSED_KEPT: Final = 2.0
"""Seconds for which a provider is not asked again about the same token."""
_NAMES: Final = ("email", "preferred_username", "upn", "username", "name")
_ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt", ""})


class _Checking(Protocol):
    async def check(self, token: Secret) -> Mapping[str, Any] | Refused:
        """Return the claims about the person. Raise ProviderUnavailable."""


@dataclass(frozen=True, slots=True)
class JwtCheck:
    """Checks tokens here, with the provider's keys."""

    settings: TokenProvider
    reader: JwtReader

    async def check(self, token: Secret) -> Mapping[str, Any] | Refused:
        read = await self.reader.read(token)
        if isinstance(read, Refused):
            return read
        if "events" in read.claims:
            # Its other claims are those of an ID token (Back-Channel Logout section 2.4, RFC 8417 section 2.2).
            return invalid("it has events, so it is a logout token or another security event")
        if read.is_id_token:
            return self._id_token(read)
        if read.kind not in _ACCESS_TOKEN_TYPES:
            return invalid(f"its typ {read.kind!a} is not that of an access token")
        return _meant_for_others(self.settings, read.claims) or read.claims

    def _id_token(self, token: SignedToken) -> Mapping[str, Any] | Refused:
        if not self.settings.id_token:
            return invalid("it looks like an ID token (no scope, no client), and id_token is not set")
        if token.kind not in ID_TOKEN_TYPES:
            return invalid(f"its typ {token.kind!a} is not that of an ID token")
        if not is_for_client(token.claims, self.settings.client_ids):
            return Refused(TokenRefusal.CLIENT, "it is an ID token for a client that client_ids does not list")
        return token.claims


@dataclass(frozen=True, slots=True)
class IntrospectionCheck:
    """Asks the provider's introspection endpoint (RFC 7662)."""

    settings: TokenProvider
    client: ProviderClient
    discovery: Discovery
    clock: Clock

    async def check(self, token: Secret) -> Mapping[str, Any] | Refused:
        settings = self.settings
        url = await self.discovery.endpoint("introspection_endpoint", settings.introspection_url)
        form = {"token": token.reveal(), "token_type_hint": "access_token"}
        basic = (settings.client_id, settings.client_secret) if settings.client_secret else None
        if basic is None and settings.client_id:
            form["client_id"] = settings.client_id
        answer = await self.client.post(url, form, basic)
        if answer.status != 200:
            # The provider does not know our client, or does not let it ask: that says nothing about the token.
            raise ProviderUnavailable(
                f"provider {settings.name} refuses introspection at {url} (status {answer.status}); "
                "check client_id and client_secret_file in [[providers]]"
            )
        claims = answer.members
        if claims.get("active") is not True:
            return Refused(TokenRefusal.UNKNOWN, "the provider says that it is not active")
        if "iss" in claims and claims["iss"] != settings.issuer:
            return invalid(f"its issuer is {claims['iss']!a}, not {settings.issuer}")
        expires, begins = moment(claims.get("exp")), moment(claims.get("nbf"))
        refused = untimely(expires, begins, self.clock.now(), settings.leeway)
        return refused or _meant_for_others(settings, claims) or claims


@dataclass(frozen=True, slots=True)
class UserinfoCheck:
    """Asks the provider's userinfo endpoint, which names the person but not for whom the token was issued."""

    settings: TokenProvider
    client: ProviderClient
    discovery: Discovery

    async def check(self, token: Secret) -> Mapping[str, Any] | Refused:
        url = await self.discovery.endpoint("userinfo_endpoint", self.settings.userinfo_url)
        answer = await self.client.get(url, token)
        if answer.status in (401, 403):
            return Refused(TokenRefusal.UNKNOWN, f"the userinfo endpoint refuses it (status {answer.status})")
        if answer.status != 200:
            raise ProviderUnavailable(f"provider {self.settings.name} answers {answer.status} at {url}")
        return answer.members


def _meant_for_others(settings: TokenProvider, claims: Mapping[str, Any]) -> Refused | None:
    """Return a refusal for an access token that was issued for another audience, client or purpose."""
    if settings.audiences and not set(listed(claims.get("aud"))) & set(settings.audiences):
        return Refused(TokenRefusal.AUDIENCE, f"its audience is {claims.get('aud')!a}")
    client = next((claims[name] for name in ("client_id", "azp", "appid", "cid") if name in claims), None)
    if settings.client_ids and client not in settings.client_ids:
        return Refused(TokenRefusal.CLIENT, f"its client is {client!a}")
    scopes = {scope for name in ("scope", "scp") for text in listed(claims.get(name)) for scope in text.split()}
    missing = sorted(set(settings.scopes) - scopes)
    return Refused(TokenRefusal.SCOPE, f"it lacks the scope {missing[0]}") if missing else None


class OneProvider:
    """One of ``[[providers]]``. The answers about opaque tokens are remembered for some seconds."""

    def __init__(self, settings: TokenProvider, clock: Clock) -> None:
        self.settings = settings
        self.client = ProviderClient(settings.name, clock, settings.timeout, settings.ca_file)
        self._clock = clock
        advice = "check the issuer, or set the endpoint in [[providers]]"
        self._discovery = Discovery(
            self.client, settings.issuer, clock, kept=settings.keys_kept, advice=advice, jwks_url=settings.jwks_url
        )
        self._check = self._checking()
        self._remembered: OrderedDict[bytes, tuple[Verified | TokenRefusal, float]] = OrderedDict()

    def _checking(self) -> _Checking:
        match self.settings.check:
            case Check.JWT:
                reader = JwtReader(self._discovery, self._clock, self.settings.algorithms, self.settings.leeway)
                return JwtCheck(self.settings, reader)
            case Check.INTROSPECTION:
                return IntrospectionCheck(self.settings, self.client, self._discovery, self._clock)
            case Check.USERINFO:
                return UserinfoCheck(self.settings, self.client, self._discovery)

    async def probe(self, made_up: Secret) -> Verified | TokenRefusal:
        """Check a made-up token, fetching whatever that takes. Raise ProviderUnavailable."""
        if self.settings.check is Check.JWT:
            await self._discovery.keys(None)
        return await self.verify(made_up)

    async def verify(self, token: Secret) -> Verified | TokenRefusal:
        """Return the person and the provider's rules, or why the token is refused. Raise ProviderUnavailable."""
        if self.settings.check is Check.JWT:
            return self._outcome(await self._check.check(token))
        digest = hashlib.sha256(token.reveal().encode()).digest()
        known = self._remembered.get(digest)
        if known is not None and known[1] > self._clock.steady():
            return known[0]
        outcome = self._outcome(await self._check.check(token))
        self._remembered[digest] = (outcome, self._clock.steady() + self._kept(outcome))
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return outcome

    def _kept(self, outcome: Verified | TokenRefusal) -> float:
        """Return for how many seconds to remember an outcome: never beyond the token's end."""
        if isinstance(outcome, TokenRefusal):
            return _REFUSED_KEPT
        expires = outcome.person.expires_at
        return _ACCEPTED_KEPT if expires is None else max(0.0, min(_ACCEPTED_KEPT, expires - self._clock.now()))

    def _outcome(self, checked: Mapping[str, Any] | Refused) -> Verified | TokenRefusal:
        if not isinstance(checked, Refused):
            subject = checked.get("sub")
            if isinstance(subject, str) and subject:
                name = next((text for key in _NAMES if isinstance(text := checked.get(key), str) and text), "")
                person = Person(self.settings.name, subject, name, dict(checked), moment(checked.get("exp")))
                return Verified(person, self.settings.rules)
            checked = invalid("it has no sub that says whose it is")
        shown = checked.shown
        log.info("provider %s: token refused (%s): %.300s", self.settings.name, shown.name.lower(), checked.reason)
        return shown


class Verifier:
    """Implements ports.providers.TokenVerifier: each token goes to the provider that issued it, and to no other."""

    def __init__(self, providers: Sequence[TokenProvider], clock: Clock) -> None:
        self._providers = [OneProvider(settings, clock) for settings in providers]

    @property
    def clients(self) -> Mapping[str, ProviderClient]:
        """The HTTP clients by the names of their providers, for metrics."""
        return {one.settings.name: one.client for one in self._providers}

    async def verify(self, token: Secret) -> Verified | TokenRefusal:
        if not _TOKEN.fullmatch(token.reveal()):
            return TokenRefusal.UNKNOWN
        read = read_unverified(token)
        issuer = read[1].get("iss") if read else None
        # A token that names its issuer is shown only to that provider, an opaque one only to the one that takes them.
        asked = [one for one in self._providers if issuer == one.settings.issuer]
        if not asked and issuer is None:
            asked = [one for one in self._providers if one.settings.check is not Check.JWT]
        refusal = TokenRefusal.UNKNOWN
        for one in asked:
            outcome = await one.verify(token)
            if isinstance(outcome, Verified):
                return outcome
            refusal = outcome
        return refusal

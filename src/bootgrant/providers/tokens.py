"""Whose token is this? Tokens of ``[[providers]]``, checked by signature or by asking the provider."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bootgrant.approval.claim_values import claim_of
from bootgrant.approval.claims import Person
from bootgrant.ports.providers import ProviderWrong, TokenRefusal, Verified
from bootgrant.ports.time import Clock
from bootgrant.providers.arrived import cleaned, names_of, quoted
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.introspection import IntrospectionCheck
from bootgrant.providers.jwt import (
    ID_TOKEN_TYPES,
    JwtReader,
    Refused,
    SignedToken,
    invalid,
    is_for_client,
    moment,
)
from bootgrant.providers.left_out import explained
from bootgrant.providers.purpose import meant_for_others
from bootgrant.providers.settings import Check, TokenProvider
from bootgrant.providers.userinfo import NoUserinfo, Userinfo
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import read_unverified

log = logging.getLogger("bootgrant.providers")

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
"""What a token can consist of (RFC 6749 appendix A.12). Nothing else could be sent to a provider."""
_REMEMBERED: Final = 4096
_ACCEPTED_KEPT: Final = 20.0
_REFUSED_KEPT: Final = 2.0
"""Seconds for which a provider is not asked again about the same token."""
_ENTRA: Final = "for Entra ID's version 2 issuer, set requestedAccessTokenVersion to 2 in the application's manifest"
_LONGEST_NAME: Final = 200
"""Characters of a person's name in messages and in the audit."""
_OF_THE_TOKEN: Final = frozenset(
    {"active", "aud", "azp", "client_id", "exp", "iat", "iss", "jti", "nbf", "scope", "scp", "sub", "token_type"}
)
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
            return invalid(f"its typ {quoted(read.kind)} is not that of an access token")
        return meant_for_others(self.settings, read.claims) or read.claims

    def _id_token(self, token: SignedToken) -> Mapping[str, Any] | Refused:
        if not self.settings.id_token:
            return invalid("it looks like an ID token (no scope, no client), and id_token is not set")
        if token.kind not in ID_TOKEN_TYPES:
            return invalid(f"its typ {quoted(token.kind)} is not that of an ID token")
        if not is_for_client(token.claims, self.settings.client_ids):
            audience, client = quoted(token.claims.get("aud")), quoted(token.claims.get("azp"))
            return Refused(
                TokenRefusal.CLIENT,
                f"it is an ID token for aud {audience} (azp {client}), and client_ids does not list that client",
            )
        return token.claims


@dataclass(frozen=True, slots=True)
class UserinfoCheck:
    """Asks the provider's userinfo endpoint, which names the person but not for whom the token was issued."""

    settings: TokenProvider
    userinfo: Userinfo
    discovery: Discovery

    async def check(self, token: Secret) -> Mapping[str, Any] | Refused:
        url = await self.discovery.endpoint("userinfo_endpoint", self.settings.userinfo_url)
        found = await self.userinfo.claims(url, token)
        if not isinstance(found, NoUserinfo):
            return found
        if found.status == 403 or found.error == "insufficient_scope":
            return Refused(TokenRefusal.SCOPE, found.reason)
        if found.status == 401:
            return Refused(TokenRefusal.UNKNOWN, found.reason)
        raise ProviderWrong(f"provider {self.settings.name}: {found.reason}")


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
        settings, clock = self.settings, self._clock
        reader = JwtReader(self._discovery, clock, settings.algorithms, settings.leeway)
        match settings.check:
            case Check.JWT:
                return JwtCheck(settings, reader)
            case Check.INTROSPECTION:
                return IntrospectionCheck(settings, self.client, self._discovery, reader, clock)
            case Check.USERINFO:
                userinfo = Userinfo(self.client, reader, settings.issuer, clock, settings.leeway)
                return UserinfoCheck(settings, userinfo, self._discovery)

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
        outcome = checked if isinstance(checked, Refused) else self._verified(checked)
        if isinstance(outcome, Verified):
            return outcome
        shown = outcome.shown
        log.info("provider %s: token refused (%s): %s", self.settings.name, shown.name.lower(), outcome.reason)
        return shown

    def _verified(self, checked: Mapping[str, Any]) -> Verified | Refused:
        subject = checked.get("sub")
        if not isinstance(subject, str) or not subject or not subject.isprintable():
            return invalid(
                f"it has no sub that says whose it is; its claims are {names_of(checked)}. In Keycloak, a lightweight "
                'access token lacks it: turn that off for the client, or write check = "introspection"'
            )
        claims = _with_extension(checked)
        name = next((text for key in _NAMES if (text := cleaned(claims.get(key), _LONGEST_NAME))), "")
        person = Person(self.settings.name, subject, name, claims, moment(checked.get("exp")))
        needed = list(dict.fromkeys(name for rule in self.settings.rules for name, _ in rule.claims))
        unknown = explained(claims, needed)
        if any(rule.is_about(person) for rule in self.settings.rules):
            return Verified(person, self.settings.rules)
        if unknown:
            return Refused(TokenRefusal.LEFT_OUT, "; ".join(unknown.values()))
        if lacking := [cleaned(name, 60) for name in needed if claim_of(claims, name) is None]:
            log.info(
                "provider %s: the token of %s has no %s, which the rules need; it has %s. Have the provider add them "
                "to the %s, or request their scopes",
                self.settings.name, cleaned(str(person)), ", ".join(lacking), names_of(claims), self._source,
            )  # fmt: skip
        return Verified(person, self.settings.rules)

    @property
    def _source(self) -> str:
        """What the claims of a person come from."""
        return "access token" if self.settings.check is Check.JWT else f"answer of {self.settings.check.value}"


def _with_extension(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims with those under ``ext``, where Hydra puts what the consent application adds.

    They replace no other claim, and none of them says whose or for whom the token is.
    """
    more = claims.get("ext")
    if not isinstance(more, Mapping):
        return dict(claims)
    return {name: value for name, value in more.items() if name not in _OF_THE_TOKEN} | dict(claims)


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
        if not asked:
            log.info("token refused (unknown): %s", self._nobodys(token, issuer))
        refusal = TokenRefusal.UNKNOWN
        for one in asked:
            outcome = await one.verify(token)
            if isinstance(outcome, Verified):
                return outcome
            refusal = outcome
        return refusal

    def _nobodys(self, token: Secret, issuer: object) -> str:
        """Return why no provider is asked about a token."""
        issuers = quoted([one.settings.issuer for one in self._providers])
        if issuer is None:
            kind = "it is encrypted" if token.reveal().count(".") == 4 else "it names no issuer"
            return f'{kind}, and no provider in [[providers]] has check = "introspection" or "userinfo"'
        advice = f"; {_ENTRA}" if isinstance(issuer, str) and issuer.startswith("https://sts.windows.net/") else ""
        return f"its issuer is {quoted(issuer)}, and the issuers in [[providers]] are {issuers}{advice}"

"""A person signs in at an OpenID provider and comes back: the same browser, once, in time, with a role here.

The browser keeps one secret for the way there and back; state, nonce and PKCE verifier are made from it, so that the
store knows the digest of the state alone. Who comes is the provider's ``sub``, never a name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bootgrant.approval.claims import Rights, rights_of, values_of
from bootgrant.approval.codes import challenge_digest
from bootgrant.approval.operators import Kind, Role, via_oidc
from bootgrant.ports.people import Challenge, ChallengeStore, Operator, OperatorStore, Purpose, Stage
from bootgrant.ports.providers import (
    IdentityProvider,
    ProviderPerson,
    ProviderUnavailable,
    ProviderWrong,
    Request,
    Sealing,
)
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.sign_in import Client, NewSession, Sessions, SignedIn

log = logging.getLogger("bootgrant.operators")

WAY_LIFETIME: Final = 600.0
"""Seconds that somebody may take at the provider."""

_NAMES: Final = ("preferred_username", "email", "name")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._@+-]+")
_NAME_LENGTH: Final = 64


class OidcRefused(Enum):
    """Why nobody is signed in."""

    UNKNOWN = "unknown provider"
    DOWN = "the provider does not answer"
    LATE = "too late, used already, or of another browser"
    DECLINED = "the provider did not sign them in"
    WRONG = "the answer of the provider cannot be trusted"
    NO_ROLE = "no role for them here"
    DISABLED = "shut out here"
    SOMEBODY_ELSE = "signed in as somebody else, or not anew"


@dataclass(frozen=True, slots=True)
class OidcStarted:
    """Send the browser to ``url`` with the secret ``kept`` in a cookie."""

    url: str
    kept: Secret


@dataclass(frozen=True, slots=True)
class OidcFinished:
    """Signed in, and on to ``goal``."""

    begun: NewSession
    goal: str


@dataclass(frozen=True, slots=True)
class OidcSignIn:
    """``base_url`` is the address of the pages; ``sealing`` encrypts ID tokens. Raises StoreUnavailable."""

    providers: Mapping[str, IdentityProvider]
    operators: OperatorStore
    challenges: ChallengeStore
    sessions: Sessions
    base_url: str
    sealing: Sealing
    windows: CloseWindows

    async def start(self, provider_id: str, goal: str, who: SignedIn | None = None) -> OidcStarted | OidcRefused:
        """Begin a sign-in; ``who`` is signed in already and shows once more who they are."""
        provider = self.providers.get(provider_id)
        if provider is None:
            return OidcRefused.UNKNOWN
        kept = Secret(urlsafe_b64encode(self.sessions.entropy.random_bytes(32)).rstrip(b"=").decode())
        request, now = self._request(provider_id, kept, again=who is not None), self.sessions.clock.now()
        about = {"provider": provider_id, "goal": goal, "again": who.operator.name if who else "", "at": now}
        waiting = Challenge(
            challenge_digest(request.state.encode()), Purpose.OIDC, json.dumps(about), now + WAY_LIFETIME
        )
        try:
            url = await provider.ask(request)
        except ProviderUnavailable as error:
            return _logged(error)
        await self.challenges.put_challenge(waiting, now)
        return OidcStarted(url, kept)

    async def finish(
        self, provider_id: str, kept: Secret | None, answer: Mapping[str, str], client: Client
    ) -> OidcFinished | OidcRefused:
        """The browser comes back with the provider's ``answer`` (its query)."""
        provider = self.providers.get(provider_id)
        if provider is None:
            return OidcRefused.UNKNOWN
        about = await self._taken(provider_id, kept, answer.get("state", "")) if kept else None
        if kept is None or about is None:
            return OidcRefused.LATE
        if "code" not in answer:
            log.info("%s did not sign anybody in: %r", provider_id, answer.get("error", "")[:64])
            return OidcRefused.DECLINED
        request = self._request(provider_id, kept, again=bool(about["again"]))
        try:
            person = await provider.person(request, answer["code"], answer.get("iss", ""))
        except ProviderUnavailable as error:
            return _logged(error)
        if about["again"] and not await self._is_anew(person, str(about["again"]), float(about["at"])):
            return OidcRefused.SOMEBODY_ELSE
        begun = await self._begin(provider, person, client)
        return OidcFinished(begun, str(about["goal"])) if isinstance(begun, NewSession) else begun

    def provider_of(self, who: SignedIn) -> IdentityProvider | None:
        """Return the provider that a person signed in through, or None."""
        return next((one for one in self.providers.values() if via_oidc(one.provider_id) == who.session.via), None)

    async def sign_out_url(self, session: Secret, who: SignedIn) -> str | None:
        """Return where the browser can end its session at the provider, or None if it cannot."""
        provider = self.provider_of(who)
        if provider is None:
            return None
        id_token = self.sealing.unseal(session, who.session.sealed)
        try:
            return await provider.sign_out_url(id_token, f"{self.base_url}/login")
        except ProviderUnavailable:
            return None

    def _request(self, provider_id: str, kept: Secret, *, again: bool) -> Request:
        def made(what: str) -> str:
            digest = hmac.digest(kept.reveal().encode(), f"bootgrant {what}".encode(), "sha256")
            return urlsafe_b64encode(digest).rstrip(b"=").decode()

        redirect_uri = f"{self.base_url}/login/oidc/{provider_id}/callback"
        return Request(redirect_uri, made("state"), made("nonce"), Secret(made("verifier")), again)

    async def _taken(self, provider_id: str, kept: Secret, state: str) -> Mapping[str, str] | None:
        expected = self._request(provider_id, kept, again=False).state
        if not hmac.compare_digest(expected.encode(), state.encode()):
            return None
        digest = challenge_digest(expected.encode())
        found = await self.challenges.take_challenge(digest, Purpose.OIDC, self.sessions.clock.now())
        about: Mapping[str, str] | None = json.loads(found) if found else None
        return about if about and about["provider"] == provider_id else None

    async def _is_anew(self, person: ProviderPerson, name: str, since: float) -> bool:
        """Whether this is the same person, who proved it after they were sent away (a minute of clocks apart)."""
        operator = await self.operators.find_subject(person.issuer, person.subject)
        when = person.authenticated_at
        return operator is not None and operator.name == name and when is not None and when >= since - 60

    async def _begin(
        self, provider: IdentityProvider, person: ProviderPerson, client: Client
    ) -> NewSession | OidcRefused:
        rights = rights_of(person.claims, provider.rules)
        if rights is None:
            log.info("%s: %r has no role here", provider.provider_id, person.subject[:64])
            await self._take_rights(person)
            return OidcRefused.NO_ROLE
        operator = await self._operator(provider.provider_id, person, rights)
        if operator is None or operator.disabled_at is not None:
            return OidcRefused.DISABLED
        via = via_oidc(provider.provider_id)
        token = person.id_token.reveal()
        session = await self.sessions.begin(operator, via, client, seal=lambda secret: self.sealing.seal(secret, token))
        return NewSession(session, Stage.FULL, operator, via)

    async def _take_rights(self, person: ProviderPerson) -> None:
        """Who came with a role before and comes without one now: nothing of the old role is left, nowhere."""
        known = await self.operators.find_subject(person.issuer, person.subject)
        if known is None:
            return
        await self._set_rights(known.name, Rights(Role.VIEWER, ()))
        for session in await self.operators.sessions_of(known.name):
            await self.operators.end_session(session.digest)
        log.warning("%s has lost their role at the provider: a viewer from now on, sessions ended", known.name)

    async def _set_rights(self, name: str, rights: Rights) -> None:
        await self.operators.set_rights(name, rights.role, rights.labels)
        await self.windows.beyond(name, rights.role, rights.labels)

    async def _operator(self, provider_id: str, person: ProviderPerson, rights: Rights) -> Operator | None:
        """Who the provider's subject is here, with the rights of now; somebody new is added."""
        known = await self.operators.find_subject(person.issuer, person.subject)
        if known is not None:
            if (known.role, known.labels) != (rights.role, rights.labels):
                await self._set_rights(known.name, rights)
            return known
        for name in _names(provider_id, person):
            new = Operator(
                name,
                "",
                self.sessions.clock.now(),
                rights.role,
                rights.labels,
                Kind.OIDC,
                issuer=person.issuer,
                subject=person.subject,
            )
            if await self.operators.add_operator(new):
                return new
        # Every name was taken: most likely by the same person, who came twice at once.
        return await self.operators.find_subject(person.issuer, person.subject)


def _names(provider_id: str, person: ProviderPerson) -> Iterator[str]:
    """``corp:ana``, and where somebody else has that name one that only this subject can have."""
    texts = (text for claim in _NAMES for text in values_of(person.claims, claim))
    plain = next((cleaned for text in texts if (cleaned := _NO_NAME.sub("-", text).strip("-"))), "")
    mark = hashlib.sha256(f"{person.issuer}\0{person.subject}".encode()).hexdigest()[:12]
    if plain:
        yield f"{provider_id}:{plain[:_NAME_LENGTH]}"
    yield f"{provider_id}:{plain[: _NAME_LENGTH - 13]}#{mark}"


def _logged(error: ProviderUnavailable) -> OidcRefused:
    log.warning("sign-in failed: %s", error)
    return OidcRefused.WRONG if isinstance(error, ProviderWrong) else OidcRefused.DOWN

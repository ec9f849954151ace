"""Sign-in through an OpenID provider: the same browser must return, once and in time, and its person needs a role here.

A cookie of the browser holds one secret. State, nonce and PKCE verifier are derived from it, so the store only has a
digest of the state. A person is identified by the provider's ``sub``, never by a name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from bootgrant.approval.claim_reasons import Explanation, missing
from bootgrant.approval.claim_texts import listed, plain
from bootgrant.approval.claim_values import Claims, values_of
from bootgrant.approval.claims import Rights, why_no_role
from bootgrant.approval.codes import challenge_digest
from bootgrant.approval.operators import Actor, Kind, Role, via_oidc
from bootgrant.approval.role_grace import Held, Kept, Unknown, confirming, judge
from bootgrant.ports.people import BY_PROVIDER, Challenge, ChallengeStore, Operator, OperatorStore, Purpose, Stage
from bootgrant.ports.providers import (
    IdentityProvider,
    ProviderPerson,
    ProviderUnavailable,
    ProviderWrong,
    Request,
    Sealing,
)
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.lost_rights import LostRights
from bootgrant.workflows.people.presence import CheckPresence
from bootgrant.workflows.people.sign_in import Client, NewSession, Sessions, SignedIn
from bootgrant.workflows.record.audit import Change, operator_changed

log = logging.getLogger("bootgrant.operators")

COOKIE_LIFETIME: Final = 600.0
"""Seconds that a person may take at the provider."""

_NAMES: Final = ("preferred_username", "email", "name")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._@+-]+")
_NAME_LENGTH: Final = 64
_SAID_LENGTH: Final = 300
_PROBLEM_LENGTH: Final = 500
_ERROR: Final = re.compile(r"[a-z_]{1,40}")


class OidcRefused(Enum):
    """Why nobody is signed in; the value is the reason in the audit."""

    UNKNOWN = "unknown provider"
    DOWN = "the provider does not answer"
    LATE = "too late, already used, or from another browser"
    DECLINED = "the provider did not sign the person in"
    WRONG = "the answer of the provider cannot be trusted"
    NO_ROLE = "the person has no role here"
    CLAIMS_UNKNOWN = "the provider left out the claims that decide"
    DISABLED = "the operator is disabled"
    OTHER_PERSON = "signed in as another person, or not signed in again"


@dataclass(frozen=True, slots=True)
class OidcRefusal:
    """A refused sign-in. ``person`` is the display name of their account, ``said`` what the provider says: both are
    from outside, printable and limited.

    ``error`` is the provider's error code (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6), or empty.
    ``missing`` says which claims did not come, and why. ``problem`` (what is wrong with the provider's answer) and
    ``explanation`` (what came) are for admins.
    """

    why: OidcRefused
    person: str = ""
    said: str = ""
    error: str = ""
    missing: str = ""
    problem: str = ""
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class OidcStarted:
    """Send the browser to ``url`` with ``secret`` in a cookie."""

    url: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class OidcFinished:
    """Signed in; continue to ``goal``."""

    session: NewSession
    goal: str


@dataclass(frozen=True, slots=True)
class OidcSignIn:
    """``base_url`` is the address of the pages. Every coroutine may raise StoreUnavailable."""

    providers: Mapping[str, IdentityProvider]
    operators: OperatorStore
    challenges: ChallengeStore
    sessions: Sessions
    base_url: str
    sealing: Sealing
    lost: LostRights
    presence: CheckPresence

    async def start(self, provider_id: str, goal: str, who: SignedIn | None = None) -> OidcStarted | OidcRefusal:
        """Begin a sign-in. ``who`` is signed in already and must prove again who they are."""
        provider = self.providers.get(provider_id)
        if provider is None:
            return OidcRefusal(OidcRefused.UNKNOWN)
        secret = Secret(urlsafe_b64encode(self.sessions.entropy.random_bytes(32)).rstrip(b"=").decode())
        request, now = self._request(provider_id, secret, again=who is not None), self.sessions.clock.now()
        about = {"provider": provider_id, "goal": goal, "again": who.operator.name if who else "", "at": now}
        waiting = Challenge(
            challenge_digest(request.state.encode()), Purpose.OIDC, json.dumps(about), now + COOKIE_LIFETIME
        )
        try:
            url = await provider.ask(request)
        except ProviderUnavailable as error:
            return _logged(error)
        await self.challenges.put_challenge(waiting, now)
        return OidcStarted(url, secret)

    async def finish(
        self, provider_id: str, secret: Secret | None, answer: Mapping[str, str], client: Client
    ) -> OidcFinished | OidcRefusal:
        """Finish a sign-in when the browser returns with the provider's ``answer`` (its query)."""
        provider = self.providers.get(provider_id)
        if provider is None:
            return OidcRefusal(OidcRefused.UNKNOWN)
        about = await self._take_challenge(provider_id, secret, answer.get("state", "")) if secret else None
        error, said = _refused_by(answer)
        if secret is None or about is None:
            if said:
                log.warning("%s returned an error, but to no sign-in that is open: %s", provider_id, said)
            # Anybody can make such a link, so what it says is not shown.
            return OidcRefusal(OidcRefused.LATE, error=error)
        if said or not answer.get("code"):
            log.warning("%s did not sign a person in: %s", provider_id, said or "no error and no code")
            return OidcRefusal(OidcRefused.DECLINED, said=said, error=error)
        request = self._request(provider_id, secret, again=bool(about["again"]))
        try:
            person = await provider.person(request, answer["code"], answer.get("iss", ""))
        except ProviderUnavailable as error:
            return _logged(error)
        if about["again"] and not await self._has_proved_again(person, str(about["again"]), float(about["at"])):
            return OidcRefusal(OidcRefused.OTHER_PERSON, account_name(person.claims))
        session = await self._begin(provider, person, client)
        return OidcFinished(session, str(about["goal"])) if isinstance(session, NewSession) else session

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

    def _request(self, provider_id: str, secret: Secret, *, again: bool) -> Request:
        def derived(what: str) -> str:
            digest = hmac.digest(secret.reveal().encode(), f"bootgrant {what}".encode(), "sha256")
            return urlsafe_b64encode(digest).rstrip(b"=").decode()

        redirect_uri = f"{self.base_url}/login/oidc/{provider_id}/callback"
        return Request(redirect_uri, derived("state"), derived("nonce"), Secret(derived("verifier")), again)

    async def _take_challenge(self, provider_id: str, secret: Secret, state: str) -> Mapping[str, str] | None:
        expected = self._request(provider_id, secret, again=False).state
        if not hmac.compare_digest(expected.encode(), state.encode()):
            return None
        digest = challenge_digest(expected.encode())
        found = await self.challenges.take_challenge(digest, Purpose.OIDC, self.sessions.clock.now())
        about: Mapping[str, str] | None = json.loads(found) if found else None
        return about if about and about["provider"] == provider_id else None

    async def _has_proved_again(self, person: ProviderPerson, name: str, since: float) -> bool:
        """Return whether the same person has authenticated since they were sent away (clocks may differ by 60 s).

        ``authenticated_at`` is in whole seconds, cut off: it may be up to a second before the moment.
        """
        operator = await self.operators.find_subject(person.issuer, person.subject)
        when = person.authenticated_at
        return operator is not None and operator.name == name and when is not None and when + 1 > since - 60

    async def _begin(
        self, provider: IdentityProvider, person: ProviderPerson, client: Client
    ) -> NewSession | OidcRefusal:
        known, now = await self.operators.find_subject(person.issuer, person.subject), self.sessions.clock.now()
        confirmed = await self.operators.confirmed(known.name) if known else None
        held = Held(Rights(known.role, known.labels), confirmed) if known else None
        rights = judge(person.claims, person.left_out, provider.rules, held, now, provider.role_grace)
        if rights is None or isinstance(rights, Unknown):
            if rights is None and known is not None:
                await self._remove_rights(provider.provider_id, known)
            return _without_role(provider, person, rights.claims if rights else ())
        if known is not None and known.disabled_by == BY_PROVIDER:
            known = await self._enabled(provider.provider_id, known)
        if isinstance(rights, Kept) and known is not None and known.disabled_at is None:
            operator: Operator | None = await self._keep(provider, known, rights)
        elif isinstance(rights, Kept):
            operator = known
        else:
            operator = await self._operator(provider.provider_id, person, known, rights)
        if operator is None or operator.disabled_at is not None:
            return OidcRefusal(OidcRefused.DISABLED, account_name(person.claims))
        if isinstance(rights, Rights):
            await self.operators.set_confirmed(operator.name, confirming(person.claims, provider.rules, rights, now))
        via = via_oidc(provider.provider_id)
        token = person.id_token.reveal()
        there = self.presence.at_provider(provider, person)
        session = await self.sessions.begin(
            operator, via, client, seal=lambda secret: self.sealing.seal(secret, token), at_provider=there
        )
        return NewSession(session, Stage.FULL, operator, via)

    async def _enabled(self, provider_id: str, operator: Operator) -> Operator | None:
        """Enable an operator whom the provider had disabled, and who can sign in there again; unless an admin has
        disabled them in this moment."""
        change = self._change(provider_id, operator, "enabled by signing in")
        name = operator.name
        await self.operators.set_disabled(
            name, None, lambda before: operator_changed(change, name, before, before), BY_PROVIDER
        )
        return await self.operators.find_operator(name)

    async def _keep(self, provider: IdentityProvider, known: Operator, kept: Kept) -> Operator:
        """Let the last rights hold, and record why."""
        why = f"{listed(kept.unknown)} did not come; role_grace"
        log.warning("%s keeps the last known role: %s", known.name, why)
        await self._set_rights(provider.provider_id, known, kept.rights, "kept the last known role", why)
        return known

    async def _remove_rights(self, provider_id: str, known: Operator) -> None:
        """Remove all rights of a person who had a role before and has none now."""
        await self.operators.set_confirmed(known.name, None)
        await self._set_rights(provider_id, known, Rights(Role.VIEWER, ()), "changed: no role at the provider")
        for session in await self.operators.sessions_of(known.name):
            await self.operators.end_session(session.digest)
        log.warning("%s no longer has a role at the provider: now a viewer, sessions ended", known.name)

    async def _set_rights(self, provider_id: str, known: Operator, rights: Rights, done: str, reason: str = "") -> None:
        change = self._change(provider_id, known, done, reason)
        await self.operators.set_rights(
            known.name, rights.role, rights.labels, lambda before: operator_changed(change, known.name, before, rights)
        )
        await self.lost.beyond(known.name, rights.role, rights.labels)

    def _change(self, provider_id: str, operator: Operator, done: str, reason: str = "") -> Change:
        """Return a change that the provider made when this person signed in."""
        by = Actor(operator.name, operator.role, operator.labels, via_oidc(provider_id))
        return Change(self.sessions.clock.now(), by, done, reason)

    async def _operator(
        self, provider_id: str, person: ProviderPerson, known: Operator | None, rights: Rights
    ) -> Operator | None:
        """Return the operator with the provider's subject and these rights; a new person is added."""
        if known is not None:
            if (known.role, known.labels) != (rights.role, rights.labels):
                await self._set_rights(provider_id, known, rights, "changed by signing in")
            else:
                # The server may have stopped right after it stored these rights.
                await self.lost.beyond(known.name, rights.role, rights.labels)
            return known
        now, iss, sub = self.sessions.clock.now(), person.issuer, person.subject
        operator = Operator("", "", now, rights.role, rights.labels, Kind.OIDC, issuer=iss, subject=sub)
        for name in _names(provider_id, person):
            new = replace(operator, name=name)
            change = self._change(provider_id, new, "added by signing in")
            if await self.operators.add_operator(new, operator_changed(change, name, None, new)):
                return new
        # Every name was taken, most likely by the same person in two sign-ins at once.
        return await self.operators.find_subject(person.issuer, person.subject)


def _names(provider_id: str, person: ProviderPerson) -> Iterator[str]:
    """Yield ``corp:ana``, then, in case another person has that name, one that only this subject can have."""
    texts = (text for claim in _NAMES for text in values_of(person.claims, claim))
    plain = next((cleaned for text in texts if (cleaned := _NOT_IN_NAMES.sub("-", text).strip("-"))), "")
    mark = hashlib.sha256(f"{person.issuer}\0{person.subject}".encode()).hexdigest()[:12]
    if plain:
        yield f"{provider_id}:{plain[:_NAME_LENGTH]}"
    yield f"{provider_id}:{plain[: _NAME_LENGTH - 13]}#{mark}"


def account_name(claims: Claims) -> str:
    """Return how a person recognizes their account at the provider: "Ana (ana)"; printable and limited."""
    full, login = (_first(claims, names) for names in (("name",), ("preferred_username",)))
    return f"{full} ({login})" if full and login else full or login


def _first(claims: Claims, names: Sequence[str]) -> str:
    texts = (plain(text.strip()) for name in names for text in values_of(claims, name))
    return next((text for text in texts if text), "")


def _without_role(provider: IdentityProvider, person: ProviderPerson, unknown: Sequence[str]) -> OidcRefusal:
    """Refuse a person without a role; ``unknown`` are the claims that may give one, and did not come."""
    why = OidcRefused.CLAIMS_UNKNOWN if unknown else OidcRefused.NO_ROLE
    name, explanation = account_name(person.claims), why_no_role(person.claims, person.left_out, provider.rules)
    account = f"{name}, " if name else ""
    log.warning("%s: %s: %ssub %r; %s", provider.provider_id, why.value, account, person.subject[:64], explanation)
    lacking = missing(person.claims, person.left_out, unknown)
    return OidcRefusal(why, name, missing=lacking, explanation=explanation)


def _refused_by(answer: Mapping[str, str]) -> tuple[str, str]:
    """Return the error code of the provider, and its code with its description; empty without an error."""
    error, description = answer.get("error", "").strip(), answer.get("error_description", "").strip()
    said = plain(": ".join(text for text in (error, description) if text), _SAID_LENGTH)
    return (error if _ERROR.fullmatch(error) else ""), said


def _logged(error: ProviderUnavailable) -> OidcRefusal:
    log.warning("sign-in failed: %s", error)
    if not isinstance(error, ProviderWrong):
        return OidcRefusal(OidcRefused.DOWN)
    said = plain(error.said, _SAID_LENGTH)
    code = said.partition(":")[0]
    code, problem = code if _ERROR.fullmatch(code) else "", plain(str(error), _PROBLEM_LENGTH)
    return OidcRefusal(OidcRefused.WRONG, said=said, error=code, problem=problem)

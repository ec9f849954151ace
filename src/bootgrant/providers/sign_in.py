"""People sign in at an OpenID provider: authorization code flow with PKCE.

OpenID Connect Core sections 3.1.2 and 3.1.3, RP-Initiated Logout section 2, RFC 7636, RFC 9207.
"""

from __future__ import annotations

import hashlib
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from bootgrant.approval.claim_values import claim_of
from bootgrant.approval.claims import Claims, rights_of
from bootgrant.ports.providers import (
    Ended,
    Logout,
    LogoutRefused,
    ProviderPerson,
    ProviderUnavailable,
    ProviderWrong,
    Renewed,
    Request,
)
from bootgrant.ports.status import Health
from bootgrant.ports.time import Clock
from bootgrant.providers.arrived import cleaned, names_of, quoted
from bootgrant.providers.client import ProviderAnswer, ProviderClient
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.jwt import ID_TOKEN_TYPES, LEEWAY, JwtReader, Refused, is_for_client, moment
from bootgrant.providers.left_out import absent, explained
from bootgrant.providers.logout import read_logout_token
from bootgrant.providers.renewal import read_renewal, renewal_of
from bootgrant.providers.settings import SignInProvider
from bootgrant.providers.token_answer import refusal, sends_in_form, without_id_token
from bootgrant.providers.userinfo import NoUserinfo, Userinfo
from bootgrant.wire.secret import Secret

log = logging.getLogger("bootgrant.providers")

_TIMEOUT: Final = 10.0
_DOCUMENTS_KEPT: Final = 600.0
"""Seconds. A provider that is down cannot sign anybody in, so older documents are of no use."""
_SUBJECT_LENGTH: Final = 255
_ACCESS_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")


class OidcProvider:
    """Implements ports.providers.IdentityProvider."""

    def __init__(self, settings: SignInProvider, clock: Clock) -> None:
        self.provider_id, self.label, self.rules = settings.provider_id, settings.label, settings.rules
        self.issuer, self.check_every = settings.issuer, settings.check_every
        self._clock = clock
        self._settings = settings
        self._client = ProviderClient(settings.provider_id, clock, _TIMEOUT)
        self.scopes, self.role_grace = settings.scopes, settings.role_grace
        self._discovery = Discovery(
            self._client, settings.issuer, clock, kept=_DOCUMENTS_KEPT, advice="check the issuer in [[oidc]]"
        )
        self._reader = JwtReader(self._discovery, clock)
        # A client of its own: while userinfo fails, people whose ID token suffices still sign in.
        userinfo_client = ProviderClient(settings.provider_id, clock, _TIMEOUT)
        self._userinfo = Userinfo(userinfo_client, self._reader, settings.issuer, clock, LEEWAY)

    def health(self) -> Health:
        return replace(self._client.health(), name=f"sign-in at {self.label}")

    async def ask(self, request: Request) -> str:
        digest = hashlib.sha256(request.verifier.reveal().encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if request.again:
            query |= {"prompt": "login", "max_age": "0"}
        return _with_query(await self._discovery.endpoint("authorization_endpoint"), query)

    async def person(self, request: Request, code: str, issuer: str) -> ProviderPerson:
        metadata = await self._discovery.metadata()
        must_name_issuer = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer or must_name_issuer) and issuer != self._settings.issuer:
            named = (
                f"names the issuer {quoted(issuer)}, not" if issuer else "has no iss, and the metadata promises one:"
            )
            raise self._wrong(
                f"the answer that the browser brought {named} {quoted(self._settings.issuer)} (RFC 9207); sign in "
                "again, and if it happens every time, configure the provider with its public address"
            )
        tokens = await self._exchange(request, code)
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str) or not id_token:
            raise self._wrong(without_id_token(tokens))
        signed = await self._checked(Secret(id_token), request.nonce)
        claims, left_out = await self._with_userinfo(signed, tokens)
        for name, why in left_out.items():
            log.info("provider %s: %s is unknown: %s", self.provider_id, cleaned(name), why)
        return ProviderPerson(
            self._settings.issuer,
            str(signed["sub"]),
            claims,
            Secret(id_token),
            moment(signed.get("auth_time")),
            left_out,
            session if isinstance(session := signed.get("sid"), str) and session.isprintable() else "",
            renewal_of(tokens, self._clock.now()),
        )

    async def logout(self, token: Secret) -> Logout | LogoutRefused:
        return await read_logout_token(self._reader, self._settings.client_id, token)

    async def renew(self, refresh_token: Secret) -> Renewed | Ended:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal()}
        return read_renewal(await self._ask_for_tokens(form), refresh_token, self._clock.now(), self.provider_id)

    async def sign_out_url(self, id_token: Secret | None, back: str) -> str | None:
        if not (await self._discovery.metadata()).get("end_session_endpoint"):
            return None
        hint = {"id_token_hint": id_token.reveal()} if id_token else {}
        query = {**hint, "client_id": self._settings.client_id, "post_logout_redirect_uri": back}
        return _with_query(await self._discovery.endpoint("end_session_endpoint"), query)

    async def _exchange(self, request: Request, code: str) -> Mapping[str, Any]:
        """Exchange the code for tokens (RFC 6749 section 4.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier.reveal(),
        }
        answer = await self._ask_for_tokens(form)
        # Some providers refuse with status 200.
        if answer.status != 200 or ("error" in answer.members and "id_token" not in answer.members):
            secret = self._settings.secret
            said = answer.said([Secret(code), request.verifier, *([secret] if secret else [])])
            raise self._wrong(refusal(answer, said, self._settings, await self._discovery.metadata()), said)
        return answer.members

    async def _ask_for_tokens(self, form: dict[str, str]) -> ProviderAnswer:
        """Send a form to the token endpoint, as the client of the settings (RFC 6749 section 2.3.1).

        The answer is an object, or a refusal with a 4xx status.
        """
        settings, secret = self._settings, self._settings.secret
        in_form = sends_in_form(await self._discovery.metadata())
        if secret is None:
            form["client_id"] = settings.client_id
        elif in_form:
            form |= {"client_id": settings.client_id, "client_secret": secret.reveal()}
        basic = (settings.client_id, secret) if secret and not in_form else None
        url = await self._discovery.endpoint("token_endpoint")
        answer = await self._client.post(url, form, basic)
        if answer.status == 200 and not answer.is_object:
            raise self._client.wrong(url, answer, "a JSON object", "check that the issuer is an OpenID provider")
        return answer

    async def _checked(self, id_token: Secret, nonce: str) -> Claims:
        """Return the claims of an ID token (OpenID Connect Core section 3.1.3.7)."""
        # It comes from the provider itself, and once for each sign-in: a new key is fetched at once.
        token = await self._reader.read(id_token, key_pause=0.0)
        if isinstance(token, Refused):
            raise self._wrong(f"the ID token is refused: {token.reason}")
        claims, subject, client = token.claims, token.claims.get("sub"), self._settings.client_id
        if token.kind not in ID_TOKEN_TYPES:
            raise self._wrong(
                f"the ID token has the typ {quoted(token.kind)}, not JWT: the provider sent another kind of token as "
                "id_token"
            )
        if "iat" not in claims:
            raise self._wrong(f"the ID token has no iat, which the provider must add; it has {names_of(claims)}")
        if claims.get("nonce") != nonce:
            which = "has no nonce" if claims.get("nonce") is None else "belongs to another sign-in (nonce)"
            raise self._wrong(f"the ID token {which}; the provider must repeat the nonce of the request")
        if not is_for_client(claims, (client,)):
            issued_to = f" and azp {quoted(claims['azp'])}" if "azp" in claims else ""
            raise self._wrong(
                f"the ID token is for aud {quoted(claims.get('aud'))}{issued_to}, not for the client {client} only; "
                "compare client_id in [[oidc]], and have the provider name the client in azp if aud has several"
            )
        if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LENGTH or not subject.isprintable():
            came = f"a text of {len(subject)} characters" if isinstance(subject, str) and subject else quoted(subject)
            raise self._wrong(
                f"the ID token has no sub of 1 to {_SUBJECT_LENGTH} printable characters: it is "
                f"{came if 'sub' in claims else 'missing'}; correct what the provider sends as sub"
            )
        return claims

    async def _with_userinfo(self, signed: Claims, tokens: Mapping[str, Any]) -> tuple[Claims, dict[str, str]]:
        """Return the claims with those that only the userinfo endpoint has, and why others are unknown.

        The endpoint is asked if a rule needs a claim that the ID token lacks without saying why.
        """
        names = list(dict.fromkeys(rule.claim for rule in self.rules))
        unknown = explained(signed, names)
        missing = [name for name in names if claim_of(signed, name) is None and name not in unknown]
        if not missing:
            return signed, unknown
        more = await self._more_claims(signed, tokens.get("access_token"))
        if isinstance(more, str):
            return signed, unknown | dict.fromkeys(missing, more)
        claims = {**more, **{name: value for name, value in signed.items() if value is not None}}
        for name in missing:
            if claim_of(claims, name) is None and (value := claim_of(more, name)) is not None:
                # A nested claim, such as realm_access.roles, next to others that the ID token has.
                claims[name] = value
        unknown |= explained(claims, names)
        lost = (name for name in missing if claim_of(claims, name) is None and name not in unknown)
        return claims, unknown | {name: absent(name, self._settings.scopes, tokens.get("scope")) for name in lost}

    async def _more_claims(self, signed: Claims, access_token: object) -> Claims | str:
        """Return the claims of the userinfo endpoint, or why they cannot be had.

        Raises ProviderUnavailable if the endpoint is down and the ID token gives the person no role, and ProviderWrong
        if it describes another person.
        """
        if (await self._discovery.metadata()).get("userinfo_endpoint") is None:
            return "neither the ID token nor a userinfo endpoint has it: have the provider put it into the ID token"
        if not isinstance(access_token, str) or not _ACCESS_TOKEN.fullmatch(access_token):
            return "the ID token does not have it, and userinfo cannot be asked without an access token"
        try:
            url = await self._discovery.endpoint("userinfo_endpoint")
            found = await self._userinfo.claims(url, Secret(access_token), (self._settings.client_id,))
        except ProviderUnavailable as error:
            if not isinstance(error, ProviderWrong) and rights_of(signed, self.rules) is None:
                raise
            return f"the userinfo endpoint cannot be asked: {self._client.reason(error)}"
        if isinstance(found, NoUserinfo):
            return found.reason
        if found.get("sub") != signed["sub"]:
            came = quoted(found["sub"]) if "sub" in found else "missing"
            raise self._wrong(
                f"the userinfo endpoint describes another person: sub is {came} there, and {quoted(signed['sub'])} in "
                "the ID token; have the provider send the same sub in both, or put the claims into the ID token"
            )
        return found

    def _wrong(self, problem: str, said: str = "") -> ProviderWrong:
        return ProviderWrong(f"provider {self.provider_id}: {problem}", said)


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"

"""A real authorization request, as far as it goes without a person (OpenID Connect Core section 3.1.2).

With ``prompt=none`` a provider shows no page and starts no session: it sends the browser back at once with an error.
That happens only after it has accepted the client and the redirect URI (RFC 6749 section 4.1.2.1), so the error shows
that they are right. A provider that ignores the prompt shows its sign-in page, which shows the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urljoin, urlsplit

from bootgrant.providers.examination.asking import Seen, one_line
from bootgrant.providers.examination.remark import Grade, Remark

ACCEPTED: Final = "authorization"
"""The code of the remark that the provider accepted the request."""
NEEDS_A_PERSON: Final = frozenset(
    {"login_required", "interaction_required", "consent_required", "account_selection_required"}
)
"""Errors of a request with ``prompt=none`` that is right (OpenID Connect Core section 3.1.2.6)."""

_REDIRECT: Final = re.compile(r"redirect[ _-]?ur[il]|redirect_uri_mismatch|callback ur[il]|AADSTS50011", re.IGNORECASE)
_CLIENT: Final = re.compile(
    r"client.{0,40}(not found|unknown|disabled|invalid|not exist)|(invalid|unknown)[ _-]client|AADSTS700016",
    re.IGNORECASE,
)
_SCOPE: Final = re.compile(r"invalid_scope|(invalid|unknown|unsupported).{0,20}scope|AADSTS70011", re.IGNORECASE)
_REFUSED_AS_PAGE: Final = re.compile(
    r"AADSTS\d+|redirect_uri_mismatch|\b(?:invalid_(?:client|redirect_uri|request|scope)|unauthorized_client)\b"
)
_CUT: Final = 160


@dataclass(frozen=True, slots=True)
class Asked:
    """What the request said. ``unknown`` are the scopes that ``scopes_supported`` does not name."""

    client_id: str
    redirect_uri: str
    state: str
    scopes: Sequence[str]
    unknown: Sequence[str]


def judge_authorization(seen: Seen, url: str, asked: Asked) -> Remark:
    """Judge the answer to a request at ``url``."""
    where = _target(url, seen)
    if _is_same_place(where, asked.redirect_uri):
        return _judge_answer(where, asked)
    answer = _parameters(where)
    if "error" in answer:
        # To a page of its own, because it did not accept the redirect URI or the client.
        return _judge_words(f"{answer['error']}: {answer.get('error_description', '')}".rstrip(": "), asked)
    if where:
        parts = urlsplit(where)
        return _accepted(f"it leads to {one_line(f'{parts.scheme}://{parts.netloc}{parts.path}')}", asked)
    if seen.status == 200 and not _REFUSED_AS_PAGE.search(seen.text):
        return _accepted("it shows a page", asked)
    if seen.status == 404:
        message = f"the authorization endpoint {one_line(url.partition('?')[0])} answers with status 404"
        return Remark(Grade.ERROR, "authorization-endpoint", message, "check the provider's own address")
    return _judge_words(seen.words(), asked, seen.text)


def _judge_answer(where: str, asked: Asked) -> Remark:
    """Judge an answer at our redirect URI."""
    answer = _parameters(where)
    error, said = one_line(answer.get("error", "")), one_line(answer.get("error_description", ""), most=_CUT)
    words = f"{error}: {said}" if said else error
    if answer.get("state") != asked.state:
        message = "the provider does not return the state of the request, so every sign-in ends with an error"
        return Remark(Grade.ERROR, "state", message, "have it, or a proxy in front of it, return state unchanged")
    if not error or error in NEEDS_A_PERSON:
        return _accepted(f"it answers {error}" if error else "it answers with a code", asked)
    match error:
        case "invalid_scope":
            return _scope(words, asked)
        case "unauthorized_client":
            message = f"the client {asked.client_id} may not use the authorization code flow ({words})"
            fix = "turn it on for this client at the provider (Keycloak: Standard flow)"
            return Remark(Grade.ERROR, "flow-off", message, fix)
        case "unsupported_response_type":
            message = f"the provider refuses the response type code ({words})"
            return Remark(Grade.ERROR, "response-type", message, "turn on the authorization code flow at the provider")
        case "server_error" | "temporarily_unavailable":
            return Remark(Grade.ERROR, "authorization-failed", f"the provider answers {words}", "look at its log")
        case _:
            if _SCOPE.search(words):
                return _scope(words, asked)
            message = f"the provider refuses the authorization request ({words})"
            fix = f"look for the client {asked.client_id} in the provider's log"
            return Remark(Grade.ERROR, "authorization-refused", message, fix)


def _judge_words(words: str, asked: Asked, text: str = "") -> Remark:
    """Judge a refusal on a page of the provider."""
    shown, text = one_line(words), text or words
    if _REDIRECT.search(text):
        message = f"the provider does not accept the redirect URI {asked.redirect_uri} ({shown})"
        fix = f"register exactly this URI for the client {asked.client_id}, or correct public_url"
        return Remark(Grade.ERROR, "redirect-uri", message, fix)
    if _CLIENT.search(text):
        message = f"the provider does not accept the client {asked.client_id} ({shown})"
        return Remark(
            Grade.ERROR, "client-unknown", message, "check client_id in [[oidc]], and that the client is enabled"
        )
    if _SCOPE.search(text):
        return _scope(shown, asked)
    message = f"the provider refuses the authorization request ({shown})"
    return Remark(Grade.ERROR, "authorization-refused", message, "open the sign-in page in a browser, and read its log")


def _scope(words: str, asked: Asked) -> Remark:
    which = f"; it does not know {', '.join(asked.unknown)}" if asked.unknown else ""
    message = f"the provider refuses the scopes {' '.join(asked.scopes)} ({one_line(words)}){which}"
    fix = "remove the unknown one from scopes, or create it at the provider (Keycloak has no scope groups by default)"
    return Remark(Grade.ERROR, "scope", message, fix)


def _accepted(how: str, asked: Asked) -> Remark:
    message = f"the provider accepts the client {asked.client_id} and the redirect URI {asked.redirect_uri}: {how}"
    return Remark(Grade.OK, ACCEPTED, message)


def _target(url: str, seen: Seen) -> str:
    """Return where a redirect leads; empty for any other answer, and for an address that cannot be read."""
    try:
        return urljoin(url, seen.header("location")) if 300 <= seen.status < 400 else ""
    except ValueError:
        return ""


def _is_same_place(where: str, redirect_uri: str) -> bool:
    there, here = urlsplit(where), urlsplit(redirect_uri)
    return bool(where) and (there.scheme, there.netloc, there.path) == (here.scheme, here.netloc, here.path)


def _parameters(where: str) -> Mapping[str, str]:
    """The parameters of a redirect, in its query or its fragment."""
    parts = urlsplit(where)
    return dict(parse_qsl(parts.query) or parse_qsl(parts.fragment))

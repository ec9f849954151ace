"""The device endpoint: a code is asked for, and its answer read as strictly as Talos does (x/oauth2 deviceauth.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from bootgrant.acquire.facts.network import is_loopback
from bootgrant.acquire.flow.provider import unreachable
from bootgrant.acquire.http.dial import TransportError
from bootgrant.acquire.http.endpoint import EndpointError, parse_endpoint
from bootgrant.doctor.asking import Asker, Heard
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.doctor.subject import Subject
from bootgrant.wire.device_flow import (
    AnswerError,
    DeviceAuthorization,
    ErrorCode,
    OAuthError,
    device_form,
    parse_device_authorization,
)
from bootgrant.wire.go_text import printable

_SHORT: Final = 120
_QR_OF_25_LINES: Final = 106
"""Bytes that fit a QR code of version 5, level L: 23 lines in half blocks; the next version does not fit 25 lines."""
_FIXES: Final[Mapping[str, str]] = {
    ErrorCode.INVALID_CLIENT: "check client_id; if it is right, make it a public client: Talos shows no secret here",
    ErrorCode.UNAUTHORIZED_CLIENT: "allow the device flow for this client, and make it a public one",
    ErrorCode.UNSUPPORTED_GRANT_TYPE: "turn the device flow on at the provider",
    ErrorCode.INVALID_GRANT: "turn the device flow on for this client (Keycloak says it so)",
    ErrorCode.INVALID_SCOPE: "check talos.config.oauth.scope against the provider",
    ErrorCode.INVALID_REQUEST: "read what it misses; a provider that demands PKCE cannot serve Talos",
    ErrorCode.SLOW_DOWN: "too many requests from here: wait, or raise the provider's limit",
}
_DENIED: Final = (
    "if an operator just refused the doctor's own request, wait, or use --set uuid=…; if the address is refused, ask "
    "from a network of machines (networks.machines)"
)


def examine_codes(subject: Subject, asker: Asker) -> tuple[DeviceAuthorization | None, Heard | None, list[Finding]]:
    """Ask once for a code. There is none when no machine would get one."""
    oauth = subject.oauth
    form = device_form(oauth.client_id, oauth.scopes, oauth.audience, subject.told())
    try:
        heard = asker.post(subject.device, form, limit=60.0)
    except TransportError as error:
        explained = unreachable(error, subject.device)
        return None, None, [_finding(Level.ERROR, "codes-unreachable", explained.what, explained.next_step)]
    found = list(_redirects(heard))
    try:
        outcome = parse_device_authorization(heard.response.body)
    except AnswerError as error:
        return None, heard, [*found, _nonsense(heard, error)]
    if isinstance(outcome, OAuthError):
        return None, heard, [*found, _refused(heard, outcome)]
    if not 200 <= heard.status < 300:
        message = f"the codes come with status {heard.status}, which Talos takes for a failure"
        return outcome, heard, [*found, _finding(Level.ERROR, "codes-status", message, "answer with 200")]
    return outcome, heard, [*found, *_judge(outcome, heard)]


def examine_page(codes: DeviceAuthorization, asker: Asker) -> Iterator[Finding]:
    """Whether a person can open the page that the console names. Nothing is typed there."""
    uri = printable(codes.verification_uri)
    try:
        page = parse_endpoint(codes.verification_uri)
        heard = asker.get(page)
    except EndpointError:
        yield _finding(Level.ERROR, "page", f"the page {uri} is no http or https URL", "correct it at the provider")
    except TransportError as error:
        message = f"the page {uri} cannot be opened from here: {error.what}"
        yield _finding(Level.WARNING, "page", message, "people must reach it with their phones")
    else:
        if heard.status >= 400:
            message = f"the page {uri} answers with status {heard.status}"
            yield _finding(Level.WARNING, "page", message, "people must be able to open it: check public_url")
        if page.scheme == "http" and not is_loopback(page.host):
            message = f"people approve at {uri} without TLS: their password can be read on the way"
            yield _finding(Level.WARNING, "page-plain", message, "serve the pages over https")


def _judge(codes: DeviceAuthorization, heard: Heard) -> Iterator[Finding]:
    raw = heard.members()
    for name in ("interval", "expires_in"):
        if name in raw and (isinstance(raw[name], bool) or not isinstance(raw[name], int)):
            message = f"{name} is {printable(str(raw[name]))[:40]!r}, no whole number: Talos ends its flow with it"
            yield _finding(Level.ERROR, "codes-number", message, "send a JSON number without a fraction and quotes")
    interval = raw.get("interval")
    if isinstance(interval, int) and interval < 0:
        yield _finding(
            Level.ERROR, "codes-number", "interval is negative: Talos crashes with it", "send a positive one"
        )
    if codes.expires_in is None:
        message = "the answer has no expires_in: a Talos node asks about this code for 3 hours"
        yield _finding(Level.WARNING, "codes-no-expiry", message, "RFC 8628 demands it: correct the provider")
    elif codes.expires_in < _SHORT:
        message = f"a code lives {codes.expires_in} s, and then Talos pauses for 30 s: hardly anybody is that fast"
        yield _finding(Level.WARNING, "codes-short", message, "let codes live 10 minutes")
    yield from _judge_qr(codes)
    life = "without end" if codes.expires_in is None else f"for {codes.expires_in} s"
    message = (
        f"a machine shows the code {printable(codes.user_code)} for {printable(codes.verification_uri)}, good {life}, "
        f"and asks every {codes.interval} s"
    )
    yield _finding(Level.OK, "codes", message)


def _judge_qr(codes: DeviceAuthorization) -> Iterator[Finding]:
    complete = codes.verification_uri_complete
    if not complete:
        message = "the answer has no verification_uri_complete: the console shows no QR code"
        yield _finding(Level.NOTE, "no-qr", message, "people type the URL and the code")
    elif len(complete.encode()) > _QR_OF_25_LINES:
        message = f"the QR code's URL has {len(complete.encode())} bytes: the picture does not fit 25 lines"
        yield _finding(Level.WARNING, "large-qr", message, "shorten the host name or the path")


def _refused(heard: Heard, error: OAuthError) -> Finding:
    fix = _FIXES.get(error.code, "look at the provider's log for this request")
    if error.code == ErrorCode.ACCESS_DENIED:
        fix = _DENIED
    message = f"the provider gives no code (status {heard.status}, {printable(str(error))[:300]})"
    return _finding(Level.ERROR, "codes-refused", message, fix)


def _nonsense(heard: Heard, error: AnswerError) -> Finding:
    kind = printable(heard.response.header("content-type").partition(";")[0]) or "no type"
    message = f"the device endpoint answers with status {heard.status} and {kind}, and {error}"
    fix = "check talos.config.oauth.device_auth_url: this is not a device authorization endpoint"
    if 300 <= heard.status < 400:
        fix = "it redirects, which turns the request into another one: give the final URL"
    return _finding(Level.ERROR, "codes-nonsense", message, fix)


def _redirects(heard: Heard) -> Iterator[Finding]:
    if heard.hops:
        where = f" and to another host, with all that it carries ({heard.hops[-1]})" if heard.left_host else ""
        message = f"the request is redirected {len(heard.hops)} times{where}"
        level = Level.ERROR if heard.left_host else Level.WARNING
        yield _finding(level, "codes-redirect", message, "give the final URL in talos.config.oauth.device_auth_url")


def _finding(level: Level, code: str, message: str, fix: str = "") -> Finding:
    return Finding(Step.CODES, level, code, message, fix)

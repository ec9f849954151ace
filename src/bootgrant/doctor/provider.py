"""The provider: its metadata, and the code that its device endpoint issues.

Talos reads no metadata (RFC 8414, OpenID Discovery), but it reveals mistakes in the parameters. The device endpoint's
answer is read as strictly as Talos reads it (x/oauth2 deviceauth.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.facts.network import is_loopback
from bootgrant.acquire.flow.discovery import well_known
from bootgrant.acquire.http.dial import TransportError
from bootgrant.acquire.http.endpoint import EndpointError, parse_endpoint
from bootgrant.acquire.http.transport import unreachable
from bootgrant.doctor.client import Answer, Client
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.doctor.parameters import Machine
from bootgrant.wire.device_flow import (
    AnswerError,
    DeviceAuthorization,
    ErrorCode,
    OAuthError,
    device_form,
    parse_device_authorization,
)
from bootgrant.wire.go_text import printable

_DEVICE_LIMIT: Final = 60.0
_SHORT_LIFETIME: Final = 120
_QR_OF_25_LINES: Final = 106
"""Bytes that fit into a QR code of version 5, level L: 23 lines in half blocks. The next version needs more than 25."""
_FIXES: Final[Mapping[str, str]] = {
    ErrorCode.INVALID_CLIENT: (
        "check client_id (Keycloak's error for an unknown client); if it is right, make it a public client: Talos "
        "sends no secret here"
    ),
    ErrorCode.UNSUPPORTED_GRANT_TYPE: "turn on the device flow at the provider",
    ErrorCode.INVALID_GRANT: "turn on the device flow for this client",
    ErrorCode.INVALID_SCOPE: "check talos.config.oauth.scope against the provider",
    ErrorCode.INVALID_REQUEST: "check what the provider says is missing; if it requires PKCE, it cannot serve Talos",
    ErrorCode.SLOW_DOWN: "too many requests from here: wait, or raise the provider's limit",
    ErrorCode.ACCESS_DENIED: (
        "if an operator just denied the doctor's request, wait, or use --set uuid=…; if this address is refused, run "
        "the doctor in a network of machines (networks.machines)"
    ),
}
_WITHOUT_401: Final = "allow the device flow for this client (in Keycloak: OAuth 2.0 Device Authorization Grant)"
_WITH_401: Final = (
    "make it a public client (in Keycloak: Client authentication off): it has a secret, which Talos does not send "
    "here; if it is public, allow the device flow for it"
)
"""RFC 6749 section 5.2: 401 is about the client's authentication. Keycloak 26.4.7: 400 with the grant off, 401 with a
secret that is wrong or missing."""

_metadata = partial(Finding, Step.DISCOVERY)
_codes = partial(Finding, Step.CODES)


def examine_discovery(machine: Machine, client: Client, issuer: str) -> tuple[Answer | None, list[Finding]]:
    """Fetch the metadata of ``issuer``, or of the device endpoint's host, and compare it with the parameters."""
    wanted = issuer or machine.device.shown()
    try:
        places = well_known(wanted)
    except BadParameter as error:
        if issuer:
            return None, [_metadata(Level.ERROR, "issuer", error.what, error.next_step)]
        return None, [_metadata(Level.NOTE, "no-metadata", "metadata is not fetched over plain HTTP")]
    answer: Answer | None = None
    for place in places:
        try:
            answer = client.get(parse_endpoint(place))
        except TransportError as error:
            message = f"the metadata {place} cannot be fetched: {error.what}"
            return answer, [_metadata(Level.WARNING, "metadata-unreachable", message, "check the server")]
        if answer.status == 200 and answer.members():
            return answer, list(_compare(machine, wanted, answer.members()))
    message = f"{wanted} has no metadata: Talos does not need it, but `bootgrant acquire --issuer` would find nothing"
    fix = "check the issuer" if issuer else "if the provider's issuer has a path, give it with --issuer"
    return answer, [_metadata(Level.WARNING if issuer else Level.NOTE, "no-metadata", message, fix)]


def _compare(machine: Machine, wanted: str, found: dict[str, object]) -> Iterator[Finding]:
    issuer = found.get("issuer")
    if issuer != wanted:
        message = f"the metadata of {wanted} names another issuer: {printable(str(issuer))[:200]}"
        fix = "set public_url, or the name that the provider has for itself, to this URL"
        yield _metadata(Level.WARNING, "other-issuer", message, fix)
    used = {"device_authorization_endpoint": machine.oauth.device_auth_url, "token_endpoint": machine.oauth.token_url}
    for member, url in used.items():
        named, written = found.get(member), url.partition("?")[0]
        if named is None:
            message = f"the metadata has no {member}: the device flow may be off"
            yield _metadata(Level.WARNING, "no-device-flow", message, "turn on the device flow at the provider")
        elif named != written:
            message = f"the parameters use {printable(written)}, but the metadata has {printable(str(named))[:200]}"
            yield _metadata(Level.WARNING, "other-endpoint", message, "use the URL of the metadata")
    if issuer == wanted:
        yield _metadata(Level.OK, "metadata", f"{wanted} has metadata")


def examine_codes(machine: Machine, client: Client) -> tuple[DeviceAuthorization | None, Answer | None, list[Finding]]:
    """Request one code. There is none if a machine would not get one."""
    oauth = machine.oauth
    form = device_form(oauth.client_id, oauth.scopes, oauth.audience, machine.sent_variables())
    try:
        answer = client.post(machine.device, form, limit=_DEVICE_LIMIT)
    except TransportError as error:
        explained = unreachable(error, machine.device)
        return None, None, [_codes(Level.ERROR, "codes-unreachable", explained.what, explained.next_step)]
    found = list(_judge_redirects(answer))
    try:
        outcome = parse_device_authorization(answer.response.body)
    except AnswerError as error:
        return None, answer, [*found, _nonsense(answer, error)]
    if isinstance(outcome, OAuthError):
        return None, answer, [*found, _refused(answer, outcome)]
    if not 200 <= answer.status < 300:
        message = f"the device endpoint sends the code with status {answer.status}, which Talos treats as a failure"
        return outcome, answer, [*found, _codes(Level.ERROR, "codes-status", message, "answer with 200")]
    return outcome, answer, [*found, *_judge_codes(outcome, answer)]


def examine_page(codes: DeviceAuthorization, client: Client) -> Iterator[Finding]:
    """Check that people can open the page on the console. Nothing is typed there."""
    uri = printable(codes.verification_uri)
    try:
        page = parse_endpoint(codes.verification_uri)
        answer = client.get(page)
    except EndpointError:
        message = f"the page {uri} is not an http or https URL"
        yield _codes(Level.ERROR, "page", message, "correct verification_uri at the provider")
    except TransportError as error:
        message = f"the page {uri} cannot be opened from here: {error.what}"
        yield _codes(Level.WARNING, "page", message, "people must be able to open it with their phones")
    else:
        if answer.status >= 400:
            message = f"the page {uri} answers with status {answer.status}"
            yield _codes(Level.WARNING, "page", message, "people must be able to open it: check public_url")
        if page.scheme == "http" and not is_loopback(page.host):
            message = f"people approve at {uri} without TLS: their passwords can be read on the network"
            yield _codes(Level.WARNING, "page-plain", message, "serve the pages over https")


def _judge_codes(codes: DeviceAuthorization, answer: Answer) -> Iterator[Finding]:
    raw = answer.members()
    for name in ("interval", "expires_in"):
        if name in raw and (isinstance(raw[name], bool) or not isinstance(raw[name], int)):
            message = f"{name} is {printable(str(raw[name]))[:40]!r}, not a whole number: Talos gives up"
            yield _codes(Level.ERROR, "codes-number", message, "send a JSON number without fraction or quotes")
    interval = raw.get("interval")
    if isinstance(interval, int) and interval < 0:
        yield _codes(Level.ERROR, "codes-number", "interval is negative: Talos crashes", "send a positive number")
    if codes.expires_in is None:
        message = "the answer has no expires_in: a Talos node polls with this code for 3 hours"
        yield _codes(Level.WARNING, "codes-no-expiry", message, "send expires_in, which RFC 8628 requires")
    elif codes.expires_in < _SHORT_LIFETIME:
        message = f"a code expires after {codes.expires_in} s, and Talos then pauses for 30 s: few people are that fast"
        yield _codes(Level.WARNING, "codes-short", message, "let codes be valid for 10 minutes")
    yield from _judge_qr(codes)
    lifetime = "without limit" if codes.expires_in is None else f"for {codes.expires_in} s"
    shown = f"the code {printable(codes.user_code)} for {printable(codes.verification_uri)}"
    message = f"a machine shows {shown}, valid {lifetime}, and polls every {codes.interval} s"
    yield _codes(Level.OK, "codes", message)


def _judge_qr(codes: DeviceAuthorization) -> Iterator[Finding]:
    complete = codes.verification_uri_complete
    if not complete:
        message = "the answer has no verification_uri_complete: the console shows no QR code"
        yield _codes(Level.NOTE, "no-qr", message, "people have to type the URL and the code")
    elif len(complete.encode()) > _QR_OF_25_LINES:
        message = f"the URL of the QR code has {len(complete.encode())} bytes: the picture needs more than 25 lines"
        yield _codes(Level.WARNING, "large-qr", message, "shorten the host name or the path")


def _refused(answer: Answer, error: OAuthError) -> Finding:
    fix = _FIXES.get(error.code, "look for this request in the provider's log")
    if error.code == ErrorCode.UNAUTHORIZED_CLIENT:
        fix = _WITH_401 if answer.status == 401 else _WITHOUT_401
    message = f"the provider refuses to issue a code (status {answer.status}, {printable(str(error))[:300]})"
    return _codes(Level.ERROR, "codes-refused", message, fix)


def _nonsense(answer: Answer, error: AnswerError) -> Finding:
    kind = printable(answer.response.header("content-type").partition(";")[0]) or "no content type"
    message = f"the device endpoint answers with status {answer.status} and {kind}, and {error}"
    fix = "check talos.config.oauth.device_auth_url: this is not a device authorization endpoint"
    if 300 <= answer.status < 400:
        fix = "give the final URL: this redirect turns the POST into a GET"
    return _codes(Level.ERROR, "codes-nonsense", message, fix)


def _judge_redirects(answer: Answer) -> Iterator[Finding]:
    if answer.hops:
        where = f", and to another host ({answer.hops[-1]}), which gets the whole form" if answer.left_host else ""
        message = f"the request for a code is redirected {len(answer.hops)} times{where}"
        level = Level.ERROR if answer.left_host else Level.WARNING
        yield _codes(level, "codes-redirect", message, "give the final URL in talos.config.oauth.device_auth_url")

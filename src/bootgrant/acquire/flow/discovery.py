"""A provider's endpoints from its issuer URL: RFC 8414 metadata, or OpenID Connect Discovery 1.0."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bootgrant.acquire.clock import Clock, backoff
from bootgrant.acquire.console import Console, RepeatedWarning
from bootgrant.acquire.errors import AcquireError, BadParameter, ProviderFailed
from bootgrant.acquire.facts.network import is_loopback
from bootgrant.acquire.flow.provider import MAX_ANSWER
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, parse_endpoint
from bootgrant.acquire.http.transport import CertificateError, Response, Transport, get, unreachable

_FIRST_PAUSE: Final = 0.5
_MAX_PAUSE: Final = 15.0
_REQUEST_LIMIT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of a provider's metadata that is used here, empty where the provider omits it."""

    device_authorization_endpoint: str
    token_endpoint: str
    token_auth_methods: tuple[str, ...] = ()
    code_challenge_methods: tuple[str, ...] = ()


def well_known(issuer: str) -> tuple[str, str]:
    """The two URLs where an issuer may publish metadata: RFC 8414 section 3.1, OpenID Connect Discovery section 4."""
    endpoint = _issuer_endpoint(issuer)
    path = endpoint.target.rstrip("/")
    return (
        f"{endpoint.shown()}/.well-known/oauth-authorization-server{path}",
        f"{endpoint.shown()}{path}/.well-known/openid-configuration",
    )


def discover(issuer: str, transport: Transport, console: Console, clock: Clock, ends_at: float) -> Metadata:
    """Fetch the metadata of ``issuer``, repeatedly while that can help, until ``ends_at``. Raises AcquireError."""
    places = well_known(issuer)
    warning = RepeatedWarning(console, clock)
    failures = 0
    while True:
        outcome = _ask(issuer, places, transport, min(clock.steady() + _REQUEST_LIMIT, ends_at))
        if isinstance(outcome, Metadata):
            return outcome
        error, at_least = outcome
        pause = max(at_least, backoff(_FIRST_PAUSE, _MAX_PAUSE, failures, clock.chance()))
        failures += 1
        if clock.steady() + pause >= ends_at:
            raise error
        warning.warn(error.what, f"[OAuth] {error.what}, trying again in {pause:.1f} s")
        clock.sleep_until(clock.steady() + pause)


def parse_metadata(body: bytes, issuer: str) -> Metadata:
    """Parse a metadata document. Raises ProviderFailed, also if it names another issuer (RFC 8414 section 3.3)."""
    try:
        found = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderFailed(f"the metadata of {issuer} is not a JSON object", "check --issuer")
    if found.get("issuer") != issuer:
        what = f"the metadata at {issuer} names another issuer"
        raise ProviderFailed(what, "write --issuer exactly as the provider does")
    metadata = Metadata(
        device_authorization_endpoint=_text(found.get("device_authorization_endpoint")),
        token_endpoint=_text(found.get("token_endpoint")),
        token_auth_methods=_texts(found.get("token_endpoint_auth_methods_supported")),
        code_challenge_methods=_texts(found.get("code_challenge_methods_supported")),
    )
    if not metadata.device_authorization_endpoint or not metadata.token_endpoint:
        raise ProviderFailed(f"{issuer} has no endpoints for the device flow", "enable the device flow there")
    return metadata


def _issuer_endpoint(issuer: str) -> Endpoint:
    try:
        endpoint = parse_endpoint(issuer)
    except EndpointError as error:
        raise BadParameter(f"--issuer cannot be used: {error}", "write https://host or https://host/path") from None
    if "?" in endpoint.target or "#" in issuer or endpoint.user is not None:
        what = "--issuer cannot be used: an issuer has no query, fragment or user"
        raise BadParameter(what, "write https://host/path")
    if endpoint.scheme != "https" and not is_loopback(endpoint.host):
        raise BadParameter("--issuer must be https", "everything depends on the issuer: write https://host/path")
    return endpoint


def _ask(
    issuer: str, places: tuple[str, str], transport: Transport, deadline: float
) -> Metadata | tuple[AcquireError, float]:
    answer = None
    for place in places:
        endpoint = parse_endpoint(place)
        try:
            answer = transport.exchange(get(endpoint, accept="application/json"), deadline, max_body=MAX_ANSWER)
        except CertificateError as error:
            raise error.error from error
        except TransportError as error:
            if error.trouble is Trouble.TOO_LARGE:
                raise ProviderFailed(f"{endpoint.shown()}: {error.what}", "check --issuer") from error
            return unreachable(error, endpoint), 0.0
        if answer.status == 200:
            return parse_metadata(answer.body, issuer)
    return _refused(issuer, answer)


def _refused(issuer: str, answer: Response | None) -> tuple[AcquireError, float]:
    status = answer.status if answer is not None else 0
    what = f"{issuer} has no metadata (status {status})"
    error = ProviderFailed(what, "check --issuer, or set both URLs as parameters")
    if answer is not None and (status >= 500 or status in {408, 425, 429}):
        return error, answer.retry_after()
    raise error


def _text(value: object) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()

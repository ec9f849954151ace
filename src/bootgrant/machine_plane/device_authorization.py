"""``POST /device/code`` (RFC 8628 section 3.1).

Talos sends no client secret here, so none is required, even from a client that has one; the token request needs it.
The identity is read only from the body, because Talos leaves variables in the query unexpanded (``?uuid=${uuid}``).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from bootgrant.asgi.answer import Answer, Headers
from bootgrant.machine_plane.clients import identify
from bootgrant.machine_plane.endpoint import (
    UNAVAILABLE,
    MachineRules,
    OAuthEndpoint,
    OAuthRequest,
    log,
    oauth_error,
    retry_after,
)
from bootgrant.machine_plane.form import BadRequest
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.limits import VARIABLE
from bootgrant.workflows.limits.admission import TooMany
from bootgrant.workflows.machine.requests import OpenedGrant, OpenGrant, RecentlyDenied

LINES: Final = 50
"""Log lines per span, at most."""
SPAN: Final = 1.0
"""Seconds."""

_REASON: Final = 200
"""Characters of a denial's reason, which leaves room for the time that follows it."""
_LIMITS: Final = {TooMany.FROM_ADDRESS: "too_many_from_address", TooMany.OFTEN: "too_often", TooMany.IN_ALL: "too_many"}
_JSON: Final[Headers] = ((b"content-type", b"application/json"),)


class RequestLog:
    """Logs each new request, or only their number when thousands arrive at once. Belongs to one event loop.

    A log line costs about as much as answering a request. Nothing is lost: the requests are in the queue and in the
    history.
    """

    def __init__(self) -> None:
        self._requests = 0

    def note(self, grant_id: str, identity: MachineIdentity, address: str) -> None:
        """Log a request that waits for a decision."""
        self._requests += 1
        if self._requests > LINES:
            return
        if self._requests == 1:
            asyncio.get_running_loop().call_later(SPAN, self._end_span)
        log.info("new request: %s from %s", ascii(str(identity)), address, extra={"grant_id": grant_id})

    def _end_span(self) -> None:
        more, self._requests = self._requests - LINES, 0
        if more > 0:
            log.info("%d more new requests within %g s; list them with `bootgrant pending`", more, SPAN)


@dataclass(frozen=True, slots=True)
class PublicAddresses:
    """The two URLs for people, as JSON. ``card`` is unterminated: the letters of the code follow it."""

    page: str
    card: str

    @classmethod
    def at(cls, public_url: str) -> PublicAddresses:
        return cls(json.dumps(f"{public_url}/device"), json.dumps(f"{public_url}/d/").removesuffix('"'))


@dataclass(slots=True, eq=False)
class DeviceAuthorization:
    open_grant: OpenGrant
    addresses: PublicAddresses
    requests: RequestLog

    async def __call__(self, request: OAuthRequest) -> Answer:
        identity = _parse(request.form)
        outcome = await self.open_grant(request.client.client_id, identity, request.address)
        if isinstance(outcome, RecentlyDenied):
            request.refused["/device/code", "denied_recently"] += 1
            log.info("request refused after a recent denial: %s from %s", ascii(str(identity)), request.address)
            return _write_denial(outcome)
        if isinstance(outcome, TooMany):
            request.refused["/device/code", _LIMITS[outcome]] += 1
            log.warning("request refused: %s (%s)", outcome.value, request.address)
            return oauth_error(ErrorCode.TEMPORARILY_UNAVAILABLE, outcome.value, 429, ((b"retry-after", b"30"),))
        self.requests.note(outcome.grant_id, identity, request.address)
        return _write(outcome, self.addresses)


def device_authorization(open_grant: OpenGrant, public_url: str, rules: MachineRules) -> OAuthEndpoint:
    handler = DeviceAuthorization(open_grant, PublicAddresses.at(public_url), RequestLog())
    return OAuthEndpoint(rules, identify, handler, UNAVAILABLE)


def _parse(form: dict[str, str]) -> MachineIdentity:
    for name in MachineIdentity.NAMES:
        if len(form.get(name, "").encode()) > VARIABLE:
            raise BadRequest(ErrorCode.INVALID_REQUEST, f"{name} is longer than {VARIABLE} bytes")
    identity = MachineIdentity.from_claim(form)
    if not identity.identifies():
        raise BadRequest(
            ErrorCode.INVALID_REQUEST,
            "the machine sent no uuid, serial or mac: set talos.config.oauth.extra_variable=uuid (or serial, mac) "
            "on its kernel command line; placeholder values of firmware do not count",
        )
    return identity


def _write_denial(denied: RecentlyDenied) -> Answer:
    again = f"ask again in {max(1, round(denied.left / 60))} min"
    reason = denied.reason[:_REASON] or "an operator denied this machine"
    return oauth_error(ErrorCode.ACCESS_DENIED, f"{reason}; {again}", headers=retry_after(denied.left))


def _write(opened: OpenedGrant, addresses: PublicAddresses) -> Answer:
    """Return the response of RFC 8628 section 3.2, as ``wire.device_flow.DeviceAuthorization.as_json`` builds it.

    The codes consist of letters and digits that we chose, so they need no escaping.
    """
    body = (
        f'{{"device_code":"{opened.device_code.reveal()}","user_code":"{opened.user_code}",'
        f'"verification_uri":{addresses.page},"verification_uri_complete":{addresses.card}{opened.letters}",'
        f'"expires_in":{opened.expires_in},"interval":{opened.interval}}}'
    )
    return Answer(200, body.encode(), _JSON)

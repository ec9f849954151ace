"""``POST /device/code`` (RFC 8628 section 3.1).

Talos shows no secret here, so none is asked for, not even of a client that has one; the token needs it.
The identity comes from the body alone: the query is what Talos leaves there unexpanded (``?uuid=${uuid}``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bootgrant.asgi.answer import Answer, Headers
from bootgrant.machine_plane.asking_log import AskingLog
from bootgrant.machine_plane.clients import identify
from bootgrant.machine_plane.endpoint import UNAVAILABLE, MachineRules, OAuthEndpoint, OAuthRequest, log, oauth_error
from bootgrant.machine_plane.form import BadRequest
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.limits import VARIABLE
from bootgrant.workflows.limits.admission import TooMany
from bootgrant.workflows.machine.requests import OpenedGrant, OpenGrant, RecentlyDenied

_REASON: Final = 200
"""Characters of a denial's reason: what follows it is told too."""
_LIMITS: Final = {TooMany.FROM_ADDRESS: "too_many_from_address", TooMany.OFTEN: "too_often", TooMany.IN_ALL: "too_many"}
_JSON: Final[Headers] = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Where:
    """The two addresses for people, as JSON; ``card`` is open at its end, where the letters of the code follow."""

    page: str
    card: str

    @classmethod
    def at(cls, public_url: str) -> Where:
        return cls(json.dumps(f"{public_url}/device"), json.dumps(f"{public_url}/d/").removesuffix('"'))


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    open_grant: OpenGrant
    where: Where
    asking: AskingLog

    async def __call__(self, request: OAuthRequest) -> Answer:
        identity = _parse(request.form)
        outcome = await self.open_grant(request.client.client_id, identity, request.address)
        if isinstance(outcome, RecentlyDenied):
            request.refused["/device/code", "denied_recently"] += 1
            log.info("asks again after a denial: %s from %s", ascii(str(identity)), request.address)
            return _write_denial(outcome)
        if isinstance(outcome, TooMany):
            request.refused["/device/code", _LIMITS[outcome]] += 1
            log.warning("refused: %s (%s)", outcome.value, request.address)
            return oauth_error(ErrorCode.TEMPORARILY_UNAVAILABLE, outcome.value, 429, ((b"retry-after", b"30"),))
        self.asking.note(outcome.grant_id, identity, request.address)
        return _write(outcome, self.where)


def device_authorization(open_grant: OpenGrant, public_url: str, rules: MachineRules) -> OAuthEndpoint:
    """The endpoint, built from its parts."""
    return OAuthEndpoint(
        rules, identify, DeviceAuthorization(open_grant, Where.at(public_url), AskingLog()), UNAVAILABLE
    )


def _parse(form: dict[str, str]) -> MachineIdentity:
    for name in MachineIdentity.NAMES:
        if len(form.get(name, "").encode()) > VARIABLE:
            raise BadRequest(ErrorCode.INVALID_REQUEST, f"{name} is longer than {VARIABLE} bytes")
    identity = MachineIdentity.from_claim(form)
    if not identity.identifies():
        raise BadRequest(
            ErrorCode.INVALID_REQUEST,
            "the machine does not say which one it is: set talos.config.oauth.extra_variable=uuid "
            "(or serial, mac) on its kernel command line; placeholder values of firmware do not count",
        )
    return identity


def _write_denial(denied: RecentlyDenied) -> Answer:
    again = f"ask again in {max(1, round(denied.left / 60))} min"
    told = denied.reason[:_REASON] or "an operator refused this machine"
    return oauth_error(ErrorCode.ACCESS_DENIED, f"{told}; {again}")


def _write(opened: OpenedGrant, where: Where) -> Answer:
    """The answer of RFC 8628 section 3.2 (``wire.DeviceAuthorization.as_json``), from letters and digits of our own."""
    body = (
        f'{{"device_code":"{opened.device_code.reveal()}","user_code":"{opened.user_code}",'
        f'"verification_uri":{where.page},"verification_uri_complete":{where.card}{opened.letters}",'
        f'"expires_in":{opened.expires_in},"interval":{opened.interval}}}'
    )
    return Answer(200, body.encode(), _JSON)

"""How the machines behave: as Talos nodes do, or as ``bootgrant acquire`` does. Requests as bytes, answers as events.

Source for Talos: x/oauth2 ``deviceauth.go`` and ``internal/token.go`` (two requests a poll), Talos ``pkg/download``
(pauses of the download), COSI's controller runtime (pauses after a failed flow). For ``acquire``: its own modules.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote_plus, urlencode

from bootgrant.acquire.errors import ProviderFailed
from bootgrant.acquire.flow.device_flow import DeviceFlow, Rules
from bootgrant.acquire.flow.driver import Conversation
from bootgrant.acquire.flow.values import (
    Broken,
    ClientAuth,
    CodesArrived,
    Event,
    Hopeless,
    PollToken,
    Refused,
    TokenArrived,
)
from bootgrant.acquire.http.download import FIRST_PAUSE, MAX_PAUSE
from bootgrant.acquire.http.transport import USER_AGENT
from bootgrant.acquire.talos.flow import GoError, TalosFlow
from bootgrant.fleet.exchange import Answer, ExchangeFailed
from bootgrant.fleet.identities import SimulatedIdentity
from bootgrant.fleet.scenario import Kind
from bootgrant.wire.device_flow import (
    FORM_TYPE,
    AccessToken,
    AnswerError,
    DeviceAuthorization,
    ErrorCode,
    OAuthError,
    device_form,
    parse_device_authorization,
    parse_token,
    token_form,
)

Outcome = Answer | ExchangeFailed
_GOES_ON: Final = frozenset({ErrorCode.AUTHORIZATION_PENDING, ErrorCode.SLOW_DOWN})


@dataclass(frozen=True, slots=True)
class Paths:
    """The host for the Host header, and the request targets, as the kernel command line gives them."""

    host: str
    device: str
    token: str
    config: str
    client_id: str


class Behaviour(Protocol):
    """One machine's way of asking. Pauses are seconds; ``chance`` is a number in [0, 1)."""

    asks_again_after_401: bool
    """Whether a token that the server refuses leads to a new authorization."""

    def begin(self, now: float, limit: float) -> Conversation:
        """A conversation that may take ``limit`` seconds."""

    def device_request(self) -> bytes:
        """The device authorization request (RFC 8628 section 3.1)."""

    def token_request(self, action: PollToken) -> bytes:
        """One token request (RFC 8628 section 3.4)."""

    def config_request(self, token: AccessToken) -> bytes:
        """The download."""

    def codes_event(self, outcome: Outcome) -> Event:
        """What the answer to a device authorization request means."""

    def token_event(self, outcome: Outcome) -> Event:
        """What the answer to a token request means."""

    def restart_pause(self, failures: int, chance: float) -> float:
        """The pause before a new conversation, after ``failures`` that failed."""

    def download_pause(self, failures: int, chance: float) -> float:
        """The pause before the download is tried again."""


def behaviour(kind: Kind, paths: Paths, identity: SimulatedIdentity) -> Behaviour:
    """The way in which a machine of this kind asks."""
    match kind:
        case Kind.TALOS:
            return TalosNode(paths, identity)
        case Kind.ACQUIRE:
            return AcquireProgram(paths, identity)


class TalosNode:
    """A Talos node: two token requests a poll, and any error but two ends its flow."""

    asks_again_after_401 = False

    def __init__(self, paths: Paths, identity: SimulatedIdentity) -> None:
        self._paths = paths
        self._identity = identity
        self._basic = base64.b64encode(f"{quote_plus(paths.client_id)}:".encode()).decode()

    def begin(self, now: float, limit: float) -> Conversation:
        return TalosFlow.begin(limit, 30.0, now)

    def device_request(self) -> bytes:
        form = device_form(self._paths.client_id, (), "", self._identity.variables())
        return self._post(self._paths.device, form, "Accept: application/json\r\n")

    def token_request(self, action: PollToken) -> bytes:
        form = token_form(self._paths.client_id, action.device_code, (), "", self._identity.variables())
        basic = f"Authorization: Basic {self._basic}\r\n" if action.auth is ClientAuth.EMPTY_BASIC else ""
        return self._post(self._paths.token, form, basic)

    def config_request(self, token: AccessToken) -> bytes:
        return (
            f"GET {_filled(self._paths.config, self._identity)} HTTP/1.1\r\nHost: {self._paths.host}\r\n"
            f"User-Agent: Go-http-client/1.1\r\nAuthorization: Bearer {token.access_token.reveal()}\r\n"
            "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        ).encode()

    def _post(self, target: str, form: dict[str, str], headers: str) -> bytes:
        body = urlencode(sorted(form.items()))
        return (
            f"POST {target} HTTP/1.1\r\nHost: {self._paths.host}\r\nUser-Agent: Go-http-client/1.1\r\n"
            f"Content-Length: {len(body)}\r\n{headers}Content-Type: {FORM_TYPE}\r\n"
            f"Accept-Encoding: gzip\r\nConnection: close\r\n\r\n{body}"
        ).encode()

    def codes_event(self, outcome: Outcome) -> Event:
        found = _codes(outcome)
        return CodesArrived(found) if isinstance(found, DeviceAuthorization) else Hopeless(GoError(found))

    def token_event(self, outcome: Outcome) -> Event:
        if isinstance(outcome, ExchangeFailed) and outcome.timed_out:
            return Broken(GoError("context deadline exceeded"))
        found = _token(outcome)
        if isinstance(found, AccessToken):
            return TokenArrived(found)
        if isinstance(found, OAuthError) and found.code in _GOES_ON:
            return Refused(found)
        return Hopeless(GoError(str(found)))

    def restart_pause(self, failures: int, chance: float) -> float:
        """Half a second, growing by half, at most a minute, give or take a half."""
        return min(60.0, 0.5 * 1.5 ** min(failures - 1, 40)) * (0.5 + chance)

    def download_pause(self, failures: int, chance: float) -> float:
        return float((2 ** min(failures, 20) - 1) // 2) + chance


class AcquireProgram:
    """``bootgrant acquire``: one token request a poll, and a code survives every transient error."""

    asks_again_after_401 = True

    def __init__(self, paths: Paths, identity: SimulatedIdentity) -> None:
        self._paths = paths
        self._identity = identity

    def begin(self, now: float, limit: float) -> Conversation:
        return DeviceFlow.begin(Rules(timeout=limit), now)

    def device_request(self) -> bytes:
        return self._post(self._paths.device, device_form(self._paths.client_id, (), "", self._identity.variables()))

    def token_request(self, action: PollToken) -> bytes:
        form = token_form(self._paths.client_id, action.device_code, (), "", self._identity.variables())
        return self._post(self._paths.token, form)

    def config_request(self, token: AccessToken) -> bytes:
        return (
            f"GET {_filled(self._paths.config, self._identity)} HTTP/1.1\r\nHost: {self._paths.host}\r\n"
            f"User-Agent: {USER_AGENT}\r\nAccept: */*\r\nAuthorization: Bearer {token.access_token.reveal()}\r\n"
            "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        ).encode()

    def _post(self, target: str, form: dict[str, str]) -> bytes:
        body = urlencode(sorted(form.items()))
        return (
            f"POST {target} HTTP/1.1\r\nHost: {self._paths.host}\r\nUser-Agent: {USER_AGENT}\r\n"
            f"Content-Length: {len(body)}\r\nAccept: application/json\r\nContent-Type: {FORM_TYPE}\r\n"
            f"Accept-Encoding: gzip\r\nConnection: close\r\n\r\n{body}"
        ).encode()

    def codes_event(self, outcome: Outcome) -> Event:
        if isinstance(outcome, ExchangeFailed):
            return Broken(_failed(str(outcome)))
        found = _codes(outcome)
        if isinstance(found, DeviceAuthorization):
            return CodesArrived(found)
        return Broken(_failed(found), answered=True) if outcome.status in _BUSY else Hopeless(_failed(found))

    def token_event(self, outcome: Outcome) -> Event:
        if isinstance(outcome, ExchangeFailed):
            return Broken(_failed(str(outcome)))
        found = _token(outcome)
        if isinstance(found, AccessToken):
            return TokenArrived(found)
        if isinstance(found, OAuthError):
            return Refused(found)
        return Broken(_failed(found), answered=True)

    def restart_pause(self, failures: int, chance: float) -> float:
        """The unit that runs it starts it again (systemd ``RestartSec=``)."""
        return 5.0 + chance

    def download_pause(self, failures: int, chance: float) -> float:
        return min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16)) * (0.5 + chance / 2)


_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


def _failed(what: str) -> ProviderFailed:
    return ProviderFailed(what, "look at the server's log")


def _filled(target: str, identity: SimulatedIdentity) -> str:
    for name, value in identity.variables().items():
        target = target.replace(f"${{{name}}}", quote_plus(value))
    return target


def _codes(outcome: Outcome) -> DeviceAuthorization | str:
    """The codes, or why there are none."""
    if isinstance(outcome, ExchangeFailed):
        return str(outcome)
    try:
        found = parse_device_authorization(outcome.body)
    except AnswerError as error:
        return f"status {outcome.status}: {error}"
    return found if isinstance(found, DeviceAuthorization) else f"status {outcome.status}: {found.code}"


def _token(outcome: Outcome) -> AccessToken | OAuthError | str:
    """The token, an error that means something to the conversation, or what else came."""
    if isinstance(outcome, ExchangeFailed):
        return str(outcome)
    try:
        return parse_token(outcome.body)
    except AnswerError as error:
        return f"status {outcome.status}: {error}"

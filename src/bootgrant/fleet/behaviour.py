"""The two kinds of machines, Talos nodes and ``bootgrant acquire``: their requests as bytes, and how they read answers.

Sources for Talos: ``deviceauth.go`` and ``internal/token.go`` of x/oauth2, ``pkg/download`` of Talos (pauses between
downloads), COSI's controller runtime (pauses after a failed flow).
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import quote_plus, urlencode

from bootgrant.acquire.errors import ProviderFailed
from bootgrant.acquire.flow import values
from bootgrant.acquire.flow.device_flow import DeviceFlow, Rules
from bootgrant.acquire.flow.driver import Conversation
from bootgrant.acquire.http.download import FIRST_PAUSE, MAX_PAUSE
from bootgrant.acquire.http.transport import USER_AGENT
from bootgrant.acquire.talos.flow import GoError, TalosFlow
from bootgrant.fleet.exchange import Answer, ExchangeFailed
from bootgrant.fleet.scenario import Kind, SimulatedIdentity
from bootgrant.wire import device_flow as wire

Outcome = Answer | ExchangeFailed
_PENDING: Final = frozenset({wire.ErrorCode.AUTHORIZATION_PENDING, wire.ErrorCode.SLOW_DOWN})
_ACCEPT_JSON: Final = "Accept: application/json\r\n"
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Paths:
    """The value of the Host header, and the request targets as the kernel command line names them."""

    host: str
    device: str
    token: str
    config: str
    client_id: str


class Behaviour(ABC):
    """How one machine sends its requests and reads the answers. Pauses are in seconds; ``chance`` is in [0, 1)."""

    restarts_after_401: ClassVar[bool]
    """Whether the machine requests a new authorization when the server rejects its token."""
    agent: ClassVar[str]
    """The User-Agent header."""
    download_accept: ClassVar[str] = ""
    """The Accept header line of a download."""

    def __init__(self, paths: Paths, identity: SimulatedIdentity) -> None:
        self._paths = paths
        self._identity = identity

    @abstractmethod
    def begin(self, now: float, limit: float) -> Conversation:
        """Begin a conversation that may take ``limit`` seconds."""

    def device_request(self) -> bytes:
        """Return the device authorization request (RFC 8628 section 3.1)."""
        form = wire.device_form(self._paths.client_id, (), "", self._identity.variables())
        return self._post(self._paths.device, form, _ACCEPT_JSON)

    @abstractmethod
    def token_request(self, action: values.PollToken) -> bytes:
        """Return a token request (RFC 8628 section 3.4)."""

    def config_request(self, token: wire.AccessToken) -> bytes:
        """Return the download request."""
        target = self._paths.config
        for name, value in self._identity.variables().items():
            target = target.replace(f"${{{name}}}", quote_plus(value))
        return (
            f"GET {target} HTTP/1.1\r\nHost: {self._paths.host}\r\nUser-Agent: {self.agent}\r\n{self.download_accept}"
            f"Authorization: Bearer {token.access_token.reveal()}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        ).encode()

    @abstractmethod
    def codes_event(self, outcome: Outcome) -> values.Event:
        """Return what the answer to a device authorization request means for the flow."""

    @abstractmethod
    def token_event(self, outcome: Outcome) -> values.Event:
        """Return what the answer to a token request means for the flow."""

    @abstractmethod
    def restart_pause(self, failures: int, chance: float) -> float:
        """Return the pause before a new conversation, after ``failures`` conversations failed."""

    @abstractmethod
    def download_pause(self, failures: int, chance: float) -> float:
        """Return the pause before the next download, after ``failures`` downloads failed."""

    def _token_form(self, action: values.PollToken) -> Mapping[str, str]:
        return wire.token_form(self._paths.client_id, action.device_code, (), "", self._identity.variables())

    def _post(self, target: str, form: Mapping[str, str], header: str) -> bytes:
        body = urlencode(sorted(form.items()))
        return (
            f"POST {target} HTTP/1.1\r\nHost: {self._paths.host}\r\nUser-Agent: {self.agent}\r\n"
            f"Content-Length: {len(body)}\r\n{header}Content-Type: {wire.FORM_TYPE}\r\n"
            f"Accept-Encoding: gzip\r\nConnection: close\r\n\r\n{body}"
        ).encode()


def behaviour(kind: Kind, paths: Paths, identity: SimulatedIdentity) -> Behaviour:
    """Return the behaviour of a machine of this kind."""
    match kind:
        case Kind.TALOS:
            return TalosNode(paths, identity)
        case Kind.ACQUIRE:
            return AcquireProgram(paths, identity)


class TalosNode(Behaviour):
    """A Talos node: two token requests per poll, and every error except two ends its flow."""

    restarts_after_401 = False
    agent = "Go-http-client/1.1"

    def begin(self, now: float, limit: float) -> Conversation:
        return TalosFlow.begin(limit, 30.0, now)

    def token_request(self, action: values.PollToken) -> bytes:
        header = ""
        if action.auth is values.ClientAuth.EMPTY_BASIC:
            basic = base64.b64encode(f"{quote_plus(self._paths.client_id)}:".encode()).decode()
            header = f"Authorization: Basic {basic}\r\n"
        return self._post(self._paths.token, self._token_form(action), header)

    def codes_event(self, outcome: Outcome) -> values.Event:
        codes = _read_codes(outcome)
        if isinstance(codes, wire.DeviceAuthorization):
            return values.CodesArrived(codes)
        return values.Hopeless(GoError(codes))

    def token_event(self, outcome: Outcome) -> values.Event:
        if isinstance(outcome, ExchangeFailed) and outcome.timed_out:
            return values.Broken(GoError("context deadline exceeded"))
        token = _read_token(outcome)
        if isinstance(token, wire.AccessToken):
            return values.TokenArrived(token)
        if isinstance(token, wire.OAuthError) and token.code in _PENDING:
            return values.Refused(token)
        return values.Hopeless(GoError(str(token)))

    def restart_pause(self, failures: int, chance: float) -> float:
        """Half a second, growing by half to a minute at most, with 50 % jitter."""
        return min(60.0, 0.5 * 1.5 ** min(failures - 1, 40)) * (0.5 + chance)

    def download_pause(self, failures: int, chance: float) -> float:
        return float((2 ** min(failures, 20) - 1) // 2) + chance


class AcquireProgram(Behaviour):
    """``bootgrant acquire``: one token request per poll, and a code survives every transient error."""

    restarts_after_401 = True
    agent = USER_AGENT
    download_accept = "Accept: */*\r\n"

    def begin(self, now: float, limit: float) -> Conversation:
        return DeviceFlow.begin(Rules(timeout=limit), now)

    def token_request(self, action: values.PollToken) -> bytes:
        return self._post(self._paths.token, self._token_form(action), _ACCEPT_JSON)

    def codes_event(self, outcome: Outcome) -> values.Event:
        if isinstance(outcome, ExchangeFailed):
            return values.Broken(_failure(str(outcome)))
        codes = _read_codes(outcome)
        if isinstance(codes, wire.DeviceAuthorization):
            return values.CodesArrived(codes)
        error = _failure(codes)
        return values.Broken(error, answered=True) if outcome.status in _TRANSIENT else values.Hopeless(error)

    def token_event(self, outcome: Outcome) -> values.Event:
        if isinstance(outcome, ExchangeFailed):
            return values.Broken(_failure(str(outcome)))
        token = _read_token(outcome)
        if isinstance(token, wire.AccessToken):
            return values.TokenArrived(token)
        if isinstance(token, wire.OAuthError):
            return values.Refused(token)
        return values.Broken(_failure(token), answered=True)

    def restart_pause(self, failures: int, chance: float) -> float:
        """Five seconds, after which its systemd unit starts it again (``RestartSec=``)."""
        return 5.0 + chance

    def download_pause(self, failures: int, chance: float) -> float:
        return min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16)) * (0.5 + chance / 2)


def _failure(reason: str) -> ProviderFailed:
    return ProviderFailed(reason, "look at the server's log")


def _read_codes(outcome: Outcome) -> wire.DeviceAuthorization | str:
    """Return the codes, or the reason that there are none."""
    if isinstance(outcome, ExchangeFailed):
        return str(outcome)
    try:
        codes = wire.parse_device_authorization(outcome.body)
    except wire.AnswerError as error:
        return f"status {outcome.status}: {error}"
    return codes if isinstance(codes, wire.DeviceAuthorization) else f"status {outcome.status}: {codes.code}"


def _read_token(outcome: Outcome) -> wire.AccessToken | wire.OAuthError | str:
    """Return the token, an OAuth error, or a description of any other outcome."""
    if isinstance(outcome, ExchangeFailed):
        return str(outcome)
    try:
        return wire.parse_token(outcome.body)
    except wire.AnswerError as error:
        return f"status {outcome.status}: {error}"

"""The actions that a conversation requests and the events that it takes, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from bootgrant.acquire.errors import AcquireError
from bootgrant.wire.device_flow import AccessToken, DeviceAuthorization, OAuthError
from bootgrant.wire.secret import Secret

NEVER: Final = float("inf")
"""When a code without a limit expires."""


class ClientAuth(Enum):
    """How a request authenticates the client (RFC 6749 section 2.3.1)."""

    NONE = "client_id in the body, no secret"
    BODY = "client_id and client_secret in the body"
    BASIC = "client_id and client_secret in a Basic header"
    EMPTY_BASIC = "client_id with an empty password in a Basic header, as the reference client does first"


class WhyCodes(StrEnum):
    """Why codes are requested."""

    FIRST = "first"
    EXPIRED = "expired"
    LOST = "lost"
    DENIED = "denied"
    AGAIN = "again"


class WhyWait(StrEnum):
    """The reason for a pause."""

    INTERVAL = "interval"
    TROUBLE = "trouble"
    DENIED = "denied"
    SPACING = "spacing"


@dataclass(frozen=True, slots=True)
class RequestCodes:
    """Send a device authorization request and wait for the answer until ``give_up_at``."""

    auth: ClientAuth
    why: WhyCodes
    give_up_at: float


@dataclass(frozen=True, slots=True)
class ShowCode:
    """Show the code. ``expires_at`` is ``NEVER`` if the provider sets no limit."""

    codes: DeviceAuthorization
    expires_at: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until ``until``. ``error`` is the failure that led to the pause, if any."""

    until: float
    why: WhyWait
    error: AcquireError | None = None


@dataclass(frozen=True, slots=True)
class PollToken:
    """Send a token request for ``device_code`` and wait for the answer until ``give_up_at``."""

    device_code: Secret
    auth: ClientAuth
    give_up_at: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The end: a person approved."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class Failed:
    """The end: there will be no token."""

    error: AcquireError


Action = RequestCodes | ShowCode | Wait | PollToken | Finished | Failed


@dataclass(frozen=True, slots=True)
class CodesArrived:
    """The provider sent codes."""

    codes: DeviceAuthorization


@dataclass(frozen=True, slots=True)
class Shown:
    """The code is on the screen."""


@dataclass(frozen=True, slots=True)
class Waited:
    """The pause is over."""


@dataclass(frozen=True, slots=True)
class TokenArrived:
    """The provider sent a token, because a person approved."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider answered with an OAuth error. ``retry_after`` is the pause that it requested, in seconds."""

    error: OAuthError
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Broken:
    """There was no usable answer, but the next attempt may get one.

    ``answered`` is whether the server sent anything at all, ``retry_after`` the pause that it requested, in seconds.
    """

    error: AcquireError
    answered: bool = False
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Hopeless:
    """There was no usable answer, and another attempt would not help."""

    error: AcquireError


Event = CodesArrived | Shown | Waited | TokenArrived | Refused | Broken | Hopeless

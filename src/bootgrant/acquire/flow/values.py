"""What the conversation of ``device_flow`` asks for and what it is told: its actions and events, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from bootgrant.acquire.errors import AcquireError
from bootgrant.wire.device_flow import AccessToken, DeviceAuthorization, OAuthError
from bootgrant.wire.secret import Secret

NEVER: Final = float("inf")
"""The time at which a code expires that has no limit."""


class ClientAuth(Enum):
    """How a request says who the client is (RFC 6749 section 2.3.1)."""

    NONE = "client_id in the body, no secret"
    BODY = "client_id and client_secret in the body"
    BASIC = "client_id and client_secret in a Basic header"
    EMPTY_BASIC = "client_id with an empty password in a Basic header, as the reference client's first try"


class WhyCodes(StrEnum):
    """Why codes are asked for."""

    FIRST = "first"
    EXPIRED = "expired"
    LOST = "lost"
    DENIED = "denied"
    AGAIN = "again"


class WhyWait(StrEnum):
    """What a pause is for."""

    INTERVAL = "interval"
    TROUBLE = "trouble"
    DENIED = "denied"
    SPACING = "spacing"


@dataclass(frozen=True, slots=True)
class RequestCodes:
    """Send a device authorization request and wait for its answer until ``give_up_at``."""

    auth: ClientAuth
    why: WhyCodes
    give_up_at: float


@dataclass(frozen=True, slots=True)
class ShowCode:
    """Show the code to a person. ``expires_at`` is ``NEVER`` when the provider sets no limit."""

    codes: DeviceAuthorization
    expires_at: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until ``until``. ``error`` is what happened, where something did."""

    until: float
    why: WhyWait
    error: AcquireError | None = None


@dataclass(frozen=True, slots=True)
class PollToken:
    """Send a token request for ``device_code`` and wait for its answer until ``give_up_at``."""

    device_code: Secret
    auth: ClientAuth
    give_up_at: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A person approved."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no token."""

    error: AcquireError


Action = RequestCodes | ShowCode | Wait | PollToken | Finished | Failed


@dataclass(frozen=True, slots=True)
class CodesArrived:
    """The codes are here."""

    codes: DeviceAuthorization


@dataclass(frozen=True, slots=True)
class Shown:
    """The code is on the screen."""


@dataclass(frozen=True, slots=True)
class Waited:
    """The time has come."""


@dataclass(frozen=True, slots=True)
class TokenArrived:
    """The token is here: a person approved."""

    token: AccessToken


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider answered with an OAuth error."""

    error: OAuthError


@dataclass(frozen=True, slots=True)
class Broken:
    """No usable answer, and the next try may have one. ``answered``: something at the other end did speak.

    ``retry_after`` is what it asked for, in seconds.
    """

    error: AcquireError
    answered: bool = False
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Hopeless:
    """No usable answer, and trying again will not change that."""

    error: AcquireError


Event = CodesArrived | Shown | Waited | TokenArrived | Refused | Broken | Hopeless

"""What the pages are built from: the workflows they call, facts about the site, and the cookies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from bootgrant.approval import devices
from bootgrant.operator_plane.frame import Look
from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import WatchedSource
from bootgrant.ports.status import StatusReport
from bootgrant.ports.time import Clock
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.assign_machine import AssignMachine
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.reveal import RevealConfiguration
from bootgrant.workflows.decide.watch_requests import WaitingCards, WatchRequests
from bootgrant.workflows.decide.windows import ArmWindow
from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull, address_key
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.people.oidc_logout import OidcLogout
from bootgrant.workflows.people.oidc_sign_in import COOKIE_LIFETIME, OidcSignIn
from bootgrant.workflows.people.passkeys import Passkeys
from bootgrant.workflows.people.presence import CheckPresence
from bootgrant.workflows.people.sign_in import Sessions, SignIn
from bootgrant.workflows.people.undo import UndoWork
from bootgrant.workflows.record.codes_again import CodesAgain
from bootgrant.workflows.record.recording import RecordRefusals

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")
_SESSION_LENGTH: Final = 43


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """A cookie that scripts cannot read and that forms of other sites do not send (RFC 6265bis).

    ``secure`` (if public_url is https) adds Secure and the ``__Host-`` prefix, so no other host can set or read it.
    ``lifetime`` is in seconds, ``length`` in characters.
    """

    secure: bool
    lifetime: float
    plain_name: str = "bootgrant"
    length: int = _SESSION_LENGTH
    same_site: Literal["lax", "strict"] = "lax"

    @property
    def name(self) -> str:
        return f"__Host-{self.plain_name}" if self.secure else self.plain_name

    def read(self, request: Request) -> Secret | None:
        """Return what the browser sent, or None if there is nothing or it is malformed."""
        value = request.cookies.get(self.name, "")
        return Secret(value) if len(value) == self.length and _TOKEN.fullmatch(value) else None

    def set(self, response: Response, session: Secret) -> None:
        response.set_cookie(
            self.name,
            session.reveal(),
            max_age=round(self.lifetime),
            path="/",
            secure=self.secure,
            httponly=True,
            samesite=self.same_site,
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite=self.same_site)


def _by_operator() -> AttemptLimit:
    return AttemptLimit(burst=20, every=6.0, when_full=WhenFull.REFUSE)


def _by_address() -> AttemptLimit:
    return AttemptLimit(burst=60, every=2.0, when_full=WhenFull.REFUSE)


def _passkeys() -> AttemptLimit:
    # A passkey cannot be guessed: this only limits work, so a full table must not keep anybody out.
    return AttemptLimit(burst=60, every=2.0, when_full=WhenFull.ALLOW)


def _bad_logouts() -> AttemptLimit:
    # Only refused tokens count, and only they are limited: a right one is obeyed whatever came before.
    return AttemptLimit(burst=60, every=1.0, when_full=WhenFull.ALLOW)


@dataclass(slots=True, eq=False)
class OperatorPlane:
    """``public_url`` is scheme, host and port. ``passkeys`` is None where browsers do not allow them.

    ``client_id`` and ``machine_url`` are for the kernel command line; the URL differs from ``public_url`` if people and
    machines have separate ones. With ``requires_suffix``, an operator types the last four characters of the code before
    approving. ``codes_by_operator`` and ``codes_by_address`` limit typed and scanned codes (RFC 8628 section 5.1).
    """

    decide: DecideGrant
    assign: AssignMachine
    arm: ArmWindow
    undo: UndoWork
    configurations: WatchedSource
    audit: AuditLog
    sessions: Sessions
    sign_in: SignIn
    passkeys: Passkeys | None
    oidc: OidcSignIn
    logout: OidcLogout
    presence: CheckPresence
    clock: Clock
    public_url: str
    client_id: str
    machine_url: str
    watching: WatchRequests
    waiting: WaitingCards
    tokens: ApiTokens
    refusals: RecordRefusals
    codes_again: CodesAgain
    reveal: RevealConfiguration
    look: Look
    status: StatusReport
    requires_suffix: bool = True
    settings: tuple[ShownSetting, ...] = ()
    codes_by_operator: AttemptLimit = field(default_factory=_by_operator)
    codes_by_address: AttemptLimit = field(default_factory=_by_address)
    challenges_by_address: AttemptLimit = field(default_factory=_by_address)
    passkeys_by_address: AttemptLimit = field(default_factory=_passkeys)
    bad_logouts_by_address: AttemptLimit = field(default_factory=_bad_logouts)

    def count_challenge(self, address: str) -> float:
        """Count a public page that stores a challenge. Return 0.0, or the seconds to wait."""
        return self.challenges_by_address.attempt(address_key(address), self.clock.steady())

    def count_passkey(self, address: str) -> float:
        """Count an answer of a passkey, apart from passwords. Return 0.0, or the seconds to wait."""
        return self.passkeys_by_address.attempt(address_key(address), self.clock.steady())

    @property
    def cookie(self) -> SessionCookie:
        return SessionCookie(self.public_url.startswith("https:"), self.sessions.rules.lifetime)

    @property
    def provider_cookie(self) -> SessionCookie:
        """The cookie of a browser on its way to a provider and back."""
        return SessionCookie(self.public_url.startswith("https:"), COOKIE_LIFETIME, "bootgrant-oidc")

    @property
    def device_cookie(self) -> SessionCookie:
        """The cookie of a browser that an operator has used before (approval/devices.py). It opens no page."""
        is_secure, length = self.public_url.startswith("https:"), devices.TEXT_LENGTH
        return SessionCookie(is_secure, devices.LIFETIME, "bootgrant-device", length, "strict")

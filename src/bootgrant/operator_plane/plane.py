"""What the pages are made of: the workflows they call and what they must know of the site."""

from __future__ import annotations

from dataclasses import dataclass, field

from bootgrant.operator_plane.sessions import SessionCookie
from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import WatchedSource
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.assign_machine import AssignMachine
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.watch_requests import WaitingCards, WatchRequests
from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull, address_key
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.people.oidc_sign_in import WAY_LIFETIME, OidcSignIn
from bootgrant.workflows.people.passkeys import Passkeys
from bootgrant.workflows.people.sign_in import Sessions, SignIn
from bootgrant.workflows.record.recording import RecordRefusals


def _by_operator() -> AttemptLimit:
    return AttemptLimit(burst=20, every=6.0, when_full=WhenFull.REFUSE)


def _by_address() -> AttemptLimit:
    return AttemptLimit(burst=60, every=2.0, when_full=WhenFull.REFUSE)


@dataclass(slots=True)
class OperatorPlane:
    """``public_url`` is scheme, host and port; ``client_id`` and ``machine_url`` are what machines use (for the kernel
    line); the URL is ``public_url`` unless the planes have one each. ``passkeys`` is None where browsers allow none.

    ``asks_suffix``: who approves types the last four characters of the code first. ``settings`` are shown as they are.

    The two limits are on codes that are typed or scanned (RFC 8628 section 5.1), per operator and per address.
    """

    decide: DecideGrant
    assign: AssignMachine
    configurations: WatchedSource
    audit: AuditLog
    sessions: Sessions
    sign_in: SignIn
    passkeys: Passkeys | None
    oidc: OidcSignIn
    clock: Clock
    public_url: str
    client_id: str
    machine_url: str
    watching: WatchRequests
    waiting: WaitingCards
    tokens: ApiTokens
    refusals: RecordRefusals
    asks_suffix: bool = True
    settings: tuple[ShownSetting, ...] = ()
    codes_by_operator: AttemptLimit = field(default_factory=_by_operator)
    codes_by_address: AttemptLimit = field(default_factory=_by_address)
    challenges_by_address: AttemptLimit = field(default_factory=_by_address)

    def sign_in_pages(self, address: str) -> float:
        """Count a page that anybody may open and that keeps a challenge: 0.0, or the seconds to wait."""
        return self.challenges_by_address.attempt(address_key(address), self.clock.steady())

    @property
    def cookie(self) -> SessionCookie:
        return SessionCookie(self.public_url.startswith("https:"), self.sessions.rules.lifetime)

    @property
    def way_cookie(self) -> SessionCookie:
        """What a browser keeps on its way to a provider and back."""
        return SessionCookie(self.public_url.startswith("https:"), WAY_LIFETIME, "bootgrant-oidc")

"""People of a provider who come and go, on a site in memory: their sessions, votes, approvals and windows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.claims import RoleRule
from bootgrant.approval.decision import Terms
from bootgrant.approval.operators import Author, Role, via_oidc
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from bootgrant.ports.providers import (
    Ended,
    Logout,
    LogoutRefused,
    ProviderPerson,
    ProviderUnavailable,
    Renewed,
    Request,
)
from bootgrant.ports.status import Health
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.grant_cards import VoteFilter
from bootgrant.workflows.decide.lost_rights import LostRights, VoidApprovals
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.oidc_logout import OidcLogout
from bootgrant.workflows.people.oidc_sign_in import OidcFinished, OidcRefusal, OidcSignIn, OidcStarted
from bootgrant.workflows.people.presence import CheckPresence
from bootgrant.workflows.people.sign_in import Client, Sessions, SignedIn
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.memory.database import MemoryDatabase

ISSUER = "https://sso.example"
ANA = "corp:ana"


@dataclass(slots=True)
class Corp:
    """ports.providers.IdentityProvider at which ana has a session.

    A logout token is the name of one of ``logouts``. Refresh tokens are r0, r1 and so on; each can be used once, and
    ``answer`` replaces the usual answer. ``lifetime`` is the seconds that the provider says one lasts, None if it does
    not. ``meanwhile`` is awaited while a refresh token is used.
    """

    clock: FakeClock
    provider_id: str = "corp"
    label: str = "Corp SSO"
    issuer: str = ISSUER
    scopes: tuple[str, ...] = ("openid",)
    role_grace: float = 0.0
    check_every: float = 60.0
    rules: tuple[RoleRule, ...] = (RoleRule("groups", "admins", Role.ADMIN),)
    session_id: str = "sid-1"
    gives_refresh_tokens: bool = True
    lifetime: float | None = 1800.0
    is_down: bool = False
    answer: Ended | None = None
    logouts: dict[str, Logout] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    meanwhile: Callable[[str], Awaitable[object]] | None = None

    def renewed(self) -> Renewed:
        expires_at = None if self.lifetime is None else self.clock.now() + self.lifetime
        return Renewed(Secret(f"r{len(self.used)}"), expires_at)

    def health(self) -> Health:
        return Health(self.label, None, "")

    async def ask(self, request: Request) -> str:
        return f"https://sso.example/auth?state={request.state}"

    async def person(self, request: Request, code: str, issuer: str) -> ProviderPerson:
        claims = {"preferred_username": code, "groups": ["admins"]}
        renewal = self.renewed() if self.gives_refresh_tokens else None
        return ProviderPerson(ISSUER, f"sub of {code}", claims, Secret("id"), None, {}, self.session_id, renewal)

    async def sign_out_url(self, id_token: Secret | None, back: str) -> str | None:
        return None

    async def logout(self, token: Secret) -> Logout | LogoutRefused:
        if self.is_down:
            raise ProviderUnavailable("nobody there")
        return self.logouts.get(token.reveal()) or LogoutRefused("not a token")

    async def renew(self, refresh_token: Secret) -> Renewed | Ended:
        if self.is_down:
            raise ProviderUnavailable("nobody there")
        token = refresh_token.reveal()
        assert token not in self.used, "a refresh token was used twice"
        self.used.append(token)
        if self.meanwhile is not None:
            await self.meanwhile(token)
        return self.answer or self.renewed()


class Marked:
    """ports.providers.Sealing that only marks what it seals."""

    def seal(self, secret: Secret, text: str) -> str:
        return f"{secret.reveal()} seals {text}"

    def unseal(self, secret: Secret, sealed: str) -> Secret | None:
        mark = f"{secret.reveal()} seals "
        return Secret(sealed.removeprefix(mark)) if sealed.startswith(mark) else None


class Company:
    """A site whose people sign in at ``corp``. ``server`` is the work of another server on the same database."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.database = MemoryDatabase()
        self.corp = Corp(self.clock)
        self.sessions = Sessions(self.database.operators, self.clock, CountedEntropy())
        self.lost = LostRights(
            CloseWindows(self.database.windows, self.clock),
            VoidApprovals(
                self.database.grants, VoteFilter(self.database.operators, self.database.api_tokens), self.clock
            ),
        )
        self.presence = self.server()
        self.logout = OidcLogout(
            {"corp": self.corp}, self.database.operators, self.database.sign_outs, self.sessions, self.lost
        )
        self.sign_in = OidcSignIn(
            {"corp": self.corp}, self.database.operators, self.database.challenges, self.sessions,
            "https://boot.example", Marked(), self.lost, self.presence,
        )  # fmt: skip

    def server(self, key: str = "key") -> CheckPresence:
        database = self.database
        return CheckPresence(
            {"corp": self.corp},
            database.operators,
            database.session_checks,
            Marked(),
            Secret(key),
            self.lost,
            self.clock,
        )

    async def finish(self, name: str = "ana") -> OidcFinished | OidcRefusal:
        """Sign in at the provider."""
        away = await self.sign_in.start("corp", "/")
        assert isinstance(away, OidcStarted)
        answer = {"state": away.url.partition("state=")[2], "code": name}
        return await self.sign_in.finish("corp", away.secret, answer, Client("10.0.0.5"))

    async def arrive(self, name: str = "ana") -> Secret:
        """Sign in, and return the session."""
        done = await self.finish(name)
        assert isinstance(done, OidcFinished), done
        return done.session.session

    async def who(self, session: Secret) -> SignedIn | None:
        return await self.sessions.who(session)

    async def operator(self, name: str = ANA) -> Operator:
        found = await self.database.operators.find_operator(name)
        assert found is not None
        return found

    async def approve(self, by: str = ANA) -> str:
        """Approve a machine that then fetches nothing. Return its request."""
        grant, _ = pending_grant()
        await self.database.grants.open_grant(grant)
        decision = decision_by(by, self.clock.now(), via=via_oidc("corp"))
        await self.database.grants.change_grant(grant.grant_id, lambda stored: stored.approve(decision, "worker-1"))
        return grant.grant_id

    async def vote(self, by: str = ANA) -> str:
        """Vote for a waiting machine that needs a second person. Return its request."""
        grant, _ = pending_grant(identity=other_machine(1))
        await self.database.grants.open_grant(grant)
        decision = decision_by(by, self.clock.now(), via=via_oidc("corp"))
        terms = Terms(needed=2)
        await self.database.grants.change_grant(grant.grant_id, lambda stored: stored.approve(decision, "cp-1", terms))
        return grant.grant_id

    async def arm(self, by: str = ANA) -> None:
        """Arm a window with an API token of their own."""
        now = self.clock.now()
        conditions = Conditions((parse_selector("site=fra"),))
        window = Window("w1", "batch", conditions, Author(by, "token:laptop"), now, now + 600, 3)
        await self.database.windows.arm(window)

    async def given(self, approved: str, voted: str) -> tuple[GrantState, int, int]:
        """Return the state of an approval, how many votes a request has, and how many windows are open."""
        grants = [await self.database.grants.find_grant(each) for each in (approved, voted)]
        assert grants[0] is not None
        assert grants[1] is not None
        open_windows = [each for each in await self.database.windows.windows() if each.is_open(self.clock.now())]
        return grants[0].state, len(grants[1].votes), len(open_windows)

    async def audited(self) -> Sequence[AuditEvent]:
        return [record.event for record in await self.database.audit.newest(AuditFilter(), 50, None)]

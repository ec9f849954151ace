"""Sign-in through a provider: the same browser, once, in time, and with the rights of the person's groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.changed_rights import rights_in
from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import Author, Kind, Label, Role
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator, OperatorStore
from bootgrant.ports.providers import (
    Ended,
    Logout,
    LogoutRefused,
    ProviderPerson,
    ProviderUnavailable,
    ProviderWrong,
    Renewed,
    Request,
)
from bootgrant.ports.status import Health
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.grant_cards import VoteFilter
from bootgrant.workflows.decide.lost_rights import LostRights, VoidApprovals
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.oidc_sign_in import OidcFinished, OidcRefusal, OidcRefused, OidcSignIn, OidcStarted
from bootgrant.workflows.people.presence import CheckPresence
from bootgrant.workflows.people.sign_in import Client, Sessions, SignedIn
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW, decision_by, pending_grant
from support.memory.database import MemoryDatabase
from support.memory.people import MemoryOperatorStore

pytestmark = pytest.mark.anyio
FRA = Label("site", "fra")
DESK = Client("10.0.0.5")


@dataclass(slots=True)
class Provider:
    """ports.providers.IdentityProvider at which the person with ``claims`` signs in."""

    provider_id: str = "corp"
    label: str = "Corp SSO"
    issuer: str = "https://sso.example"
    check_every: float = 60.0
    rules: tuple[RoleRule, ...] = (
        RoleRule("groups", "admins", Role.ADMIN),
        RoleRule("groups", "fra", Role.APPROVER, (FRA,)),
    )
    subject: str = "8f1"
    claims: Mapping[str, object] = field(default_factory=lambda: {"preferred_username": "ana", "groups": ["fra"]})
    authenticated_at: float | None = NOW
    is_down: bool = False
    scopes: tuple[str, ...] = ("openid", "profile")
    role_grace: float = 0.0
    left_out: Mapping[str, str] = field(default_factory=dict)
    wrong: ProviderWrong | None = None
    asked: list[Request] = field(default_factory=list)
    issuers: list[str] = field(default_factory=list)

    def health(self) -> Health:
        return Health(self.label, None, "")

    async def ask(self, request: Request) -> str:
        if self.is_down:
            raise ProviderUnavailable("nobody there")
        self.asked.append(request)
        return f"https://sso.example/auth?state={request.state}"

    async def person(self, request: Request, code: str, issuer: str) -> ProviderPerson:
        self.issuers.append(issuer)
        assert request.nonce == self.asked[-1].nonce
        assert request.verifier == self.asked[-1].verifier
        if self.wrong is not None:
            raise self.wrong
        token = Secret(f"token {code}")
        return ProviderPerson(
            "https://sso.example", self.subject, self.claims, token, self.authenticated_at, self.left_out
        )

    async def logout(self, token: Secret) -> Logout | LogoutRefused:
        return LogoutRefused(token.reveal())

    async def renew(self, refresh_token: Secret) -> Renewed | Ended:
        return Renewed(refresh_token, None)

    async def sign_out_url(self, id_token: Secret | None, back: str) -> str | None:
        return None


class Labelled:
    """ports.providers.Sealing that only marks what it seals."""

    def seal(self, session: Secret, text: str) -> str:
        return f"sealed {text}"

    def unseal(self, session: Secret, sealed: str) -> Secret | None:
        return Secret(sealed.removeprefix("sealed ")) if sealed else None


class Raced(MemoryOperatorStore):
    """Another sign-in of the same person adds them after the first look."""

    def __init__(self, rival: Operator) -> None:
        super().__init__()
        self.rival: Operator | None = rival

    async def find_subject(self, issuer: str, subject: str) -> Operator | None:
        found = await super().find_subject(issuer, subject)
        if self.rival is not None:
            rival, self.rival = self.rival, None
            await self.add_operator(rival)
        return found


class Desk:
    def __init__(self, operators: OperatorStore | None = None) -> None:
        self.database = MemoryDatabase()
        operators = operators or self.database.operators
        self.clock = FakeClock(NOW)
        self.provider = Provider()
        self.sessions = Sessions(operators, self.clock, CountedEntropy())
        lost = LostRights(
            CloseWindows(self.database.windows, self.clock),
            VoidApprovals(self.database.grants, VoteFilter(operators, self.database.api_tokens), self.clock),
        )
        providers = {"corp": self.provider, "lab": Provider("lab")}
        checks = self.database.session_checks
        self.work = OidcSignIn(
            providers,
            operators,
            self.database.challenges,
            self.sessions,
            "https://boot.example",
            Labelled(),
            lost,
            CheckPresence(providers, operators, checks, Labelled(), Secret("key"), lost, self.clock),
        )

    async def leave(self, who: SignedIn | None = None) -> OidcStarted:
        away = await self.work.start("corp", "/device", who)
        assert isinstance(away, OidcStarted)
        return away

    async def back(self, away: OidcStarted, **answer: str) -> OidcFinished | OidcRefused:
        outcome = await self.answer(away, code="c", **answer)
        return outcome.why if isinstance(outcome, OidcRefusal) else outcome

    async def answer(self, away: OidcStarted, **answer: str) -> OidcFinished | OidcRefusal:
        """Come back with exactly this answer, and the right state if it has none."""
        return await self.work.finish("corp", away.secret, {"state": self.provider.asked[-1].state, **answer}, DESK)

    async def refusal(self) -> OidcRefusal:
        outcome = await self.answer(await self.leave(), code="c")
        assert isinstance(outcome, OidcRefusal)
        return outcome

    async def arrive(self) -> SignedIn:
        back = await self.back(await self.leave())
        assert isinstance(back, OidcFinished), back
        who = await self.sessions.who(back.session.session)
        assert who is not None
        return who

    async def refused(self) -> OidcRefused:
        outcome = await self.back(await self.leave())
        assert isinstance(outcome, OidcRefused)
        return outcome


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_new_person_is_added_with_the_rights_of_their_groups(desk: Desk) -> None:
    who = await desk.arrive()
    assert desk.work.provider_of(who) is desk.provider
    actor = who.actor
    assert (actor.name, actor.role, actor.labels, actor.via) == ("corp:ana", Role.APPROVER, (FRA,), "oidc:corp")
    assert (who.operator.kind, who.operator.password_hash, who.session.sealed) == (Kind.OIDC, "", "sealed token c")
    assert desk.provider.asked[0].redirect_uri == "https://boot.example/login/oidc/corp/callback"


async def test_rights_follow_the_groups_at_the_next_sign_in(desk: Desk) -> None:
    await desk.arrive()
    desk.provider.claims = {"preferred_username": "ana maria", "groups": ["fra", "admins"]}
    actor = (await desk.arrive()).actor
    assert (actor.name, actor.role, actor.labels) == ("corp:ana", Role.ADMIN, ())


@pytest.mark.parametrize("claims", [{"groups": []}, {"groups": ["others"]}, {"groups": {"fra": 1}}, {"groups": 7}])
async def test_a_person_without_a_role_is_not_signed_in_and_not_added(desk: Desk, claims: dict[str, object]) -> None:
    desk.provider.claims = claims
    assert await desk.refused() is OidcRefused.NO_ROLE
    assert await desk.database.operators.operators() == []


async def test_a_person_who_lost_their_groups_keeps_no_rights(desk: Desk) -> None:
    desk.provider.claims = {"preferred_username": "ana", "groups": ["admins"]}
    await desk.arrive()
    await desk.arrive()
    desk.provider.claims = {"preferred_username": "ana", "groups": []}
    assert await desk.refused() is OidcRefused.NO_ROLE
    assert await desk.database.operators.sessions_of("corp:ana") == []
    (operator,) = await desk.database.operators.operators()
    assert (operator.role, operator.labels, operator.disabled_at) == (Role.VIEWER, (), None)


async def test_an_undelivered_approval_is_void_when_its_operator_loses_the_groups_for_it(desk: Desk) -> None:
    desk.provider.claims = {"preferred_username": "ana", "groups": ["admins"]}
    await desk.arrive()
    grant, _ = pending_grant()
    store = desk.database.grants
    await store.open_grant(grant)
    decision = decision_by("corp:ana", NOW, via="oidc:corp")
    await store.change_grant(grant.grant_id, lambda stored: stored.approve(decision, "worker-1"))
    await desk.arrive()
    assert len(await store.undelivered(NOW)) == 1
    desk.provider.claims = {"groups": []}
    await desk.refused()
    after = await store.find_grant(grant.grant_id)
    assert after is not None
    assert (after.state, after.void_reason) == (
        GrantState.VOID,
        "the operator corp:ana may no longer approve this machine",
    )


async def test_the_next_sign_in_voids_what_an_interrupted_one_left(desk: Desk) -> None:
    """The server stopped after it had stored the new rights, before the approvals beyond them became void."""
    desk.provider.claims = {"preferred_username": "ana", "groups": ["admins"]}
    await desk.arrive()
    grant, _ = pending_grant()
    store = desk.database.grants
    await store.open_grant(grant)
    decision = decision_by("corp:ana", NOW, via="oidc:corp")
    await store.change_grant(grant.grant_id, lambda stored: stored.approve(decision, "worker-1"))
    desk.provider.claims = {"preferred_username": "ana", "groups": ["fra"]}
    (known,) = await desk.database.operators.operators()
    await desk.database.operators.set_rights(known.name, Role.APPROVER, (FRA,))
    await desk.arrive()
    after = await store.find_grant(grant.grant_id)
    assert after is not None
    assert after.state is GrantState.VOID


async def test_armed_windows_close_when_their_operator_loses_the_groups_for_them(desk: Desk) -> None:
    desk.provider.claims = {"preferred_username": "ana", "groups": ["admins"]}
    await desk.arrive()
    for name, select in (("fra", "site=fra"), ("all", "*")):
        conditions = Conditions((parse_selector(select),))
        window = Window(name, name, conditions, Author("corp:ana", "oidc:corp"), NOW, NOW + 3600, 5)
        await desk.database.windows.arm(window)
    desk.provider.claims = {"groups": ["fra"]}
    await desk.arrive()
    assert [window.name for window in await desk.database.windows.windows() if window.is_open(NOW)] == ["fra"]
    desk.provider.claims = {"groups": []}
    await desk.refused()
    assert not any(window.is_open(NOW) for window in await desk.database.windows.windows())


async def test_a_person_who_gets_a_group_again_can_sign_in_again(desk: Desk) -> None:
    await desk.arrive()
    desk.provider.claims = {"groups": []}
    await desk.refused()
    desk.provider.claims = {"groups": ["fra"]}
    actor = (await desk.arrive()).actor
    assert (actor.name, actor.role, actor.labels) == ("corp:ana", Role.APPROVER, (FRA,))


async def test_two_sign_ins_at_once_add_a_new_person_once() -> None:
    first = Operator(
        "corp:anna", "", NOW, Role.APPROVER, (FRA,), Kind.OIDC, issuer="https://sso.example", subject="8f1"
    )
    desk = Desk(Raced(first))
    assert (await desk.arrive()).operator.name == "corp:anna"
    assert len(await desk.sessions.store.operators()) == 1


async def test_a_name_is_not_given_to_two_subjects(desk: Desk) -> None:
    first = await desk.arrive()
    desk.provider.subject = "another person"
    second = await desk.arrive()
    assert first.operator.name == "corp:ana"
    assert second.operator.name.startswith("corp:ana#")
    assert {first.operator.subject, second.operator.subject} == {"8f1", "another person"}


async def test_a_local_operator_of_the_same_name_is_another_operator(desk: Desk) -> None:
    await desk.database.operators.add_operator(Operator("ana", "hash", NOW, Role.ADMIN))
    assert (await desk.arrive()).operator.name == "corp:ana"


@pytest.mark.parametrize("name", ["", "\u202e", "///", 7, ["x"]])
async def test_a_person_without_a_usable_name_still_gets_one(desk: Desk, name: object) -> None:
    desk.provider.claims = {"preferred_username": name, "groups": ["fra"]}
    assert (await desk.arrive()).operator.name.isascii()


async def test_a_disabled_operator_stays_disabled_whatever_their_groups(desk: Desk) -> None:
    await desk.arrive()
    await desk.database.operators.set_disabled("corp:ana", NOW)
    assert await desk.refused() is OidcRefused.DISABLED


async def test_a_sign_in_is_finished_once(desk: Desk) -> None:
    away = await desk.leave()
    assert isinstance(await desk.back(away), OidcFinished)
    assert await desk.back(away) is OidcRefused.LATE


async def test_the_provider_gets_the_issuer_of_the_answer_to_check(desk: Desk) -> None:
    await desk.back(await desk.leave(), iss="https://sso.example")
    await desk.back(await desk.leave())
    assert desk.provider.issuers == ["https://sso.example", ""]


async def test_a_sign_in_must_be_finished_within_ten_minutes(desk: Desk) -> None:
    away = await desk.leave()
    assert len(away.secret.reveal()) == 43
    desk.clock.advance(600)
    assert await desk.back(away) is OidcRefused.LATE


async def test_a_sign_in_is_finished_by_the_browser_that_started_it(desk: Desk) -> None:
    mine = await desk.leave()
    state = desk.provider.asked[-1].state
    await desk.leave()
    for secret in (None, Secret("x" * 43)):
        answered = {"state": state, "code": "c"}
        assert await desk.work.finish("corp", secret, answered, DESK) == OidcRefusal(OidcRefused.LATE)
    assert await desk.back(mine, state="") is OidcRefused.LATE


async def test_an_answer_of_one_provider_is_not_accepted_from_another(desk: Desk) -> None:
    away = await desk.leave()
    answered = {"state": desk.provider.asked[-1].state, "code": "c"}
    assert await desk.work.finish("lab", away.secret, answered, DESK) == OidcRefusal(OidcRefused.LATE)
    assert await desk.work.finish("nowhere", away.secret, answered, DESK) == OidcRefusal(OidcRefused.UNKNOWN)


async def test_a_provider_that_is_unavailable_or_declines_signs_nobody_in(desk: Desk) -> None:
    outcome = await desk.answer(await desk.leave(), error="access_denied")
    assert outcome == OidcRefusal(OidcRefused.DECLINED, said="access_denied", error="access_denied")
    desk.provider.is_down = True
    assert await desk.work.start("corp", "/") == OidcRefusal(OidcRefused.DOWN)


@pytest.mark.parametrize(
    ("subject", "authenticated_at", "taken"),
    [
        ("8f1", NOW + 10, True),
        ("8f1", NOW - 60.9, True),  # a clock that is 60 s behind, and a time that is cut off to whole seconds
        ("8f1", NOW - 61.1, False),
        ("8f1", None, False),
        ("another", NOW + 10, False),
    ],
)
async def test_proving_again_is_for_the_same_person_authenticated_again(
    desk: Desk, subject: str, authenticated_at: float | None, taken: bool
) -> None:
    who = await desk.arrive()
    away = await desk.leave(who)
    assert desk.provider.asked[-1].again
    desk.provider.subject, desk.provider.authenticated_at = subject, authenticated_at
    outcome = await desk.back(away)
    assert isinstance(outcome, OidcFinished) if taken else outcome is OidcRefused.OTHER_PERSON


async def test_the_audit_records_who_is_added_and_whose_rights_change_at_a_sign_in(desk: Desk) -> None:
    await desk.arrive()
    await desk.arrive()
    desk.provider.claims = {"preferred_username": "ana", "groups": ["admins"]}
    await desk.arrive()
    desk.provider.claims = {"preferred_username": "ana", "groups": []}
    assert await desk.refused() is OidcRefused.NO_ROLE
    records = await desk.database.audit.newest(AuditFilter(kinds=(AuditKind.OPERATOR_CHANGED,)), 9)
    events = [record.event for record in reversed(records)]
    assert {(event.actor, event.via, event.details["operator"]) for event in events} == {
        ("corp:ana (oidc:corp)", "oidc:corp", "corp:ana")
    }
    assert [(event.details["done"], *rights_in(event.details)) for event in events] == [
        ("added by signing in", "", "approver, site=fra"),
        ("changed by signing in", "approver, site=fra", "admin, every machine"),
        ("changed: no role at the provider", "admin, every machine", "viewer, every machine"),
    ]


async def state_of(desk: Desk) -> tuple[object, ...]:
    """Everything that a demotion would change."""
    (operator,) = await desk.database.operators.operators()
    sessions = await desk.database.operators.sessions_of(operator.name)
    grants = await desk.database.grants.undelivered(NOW)
    confirmed = await desk.database.operators.confirmed(operator.name)
    return operator.role, operator.labels, confirmed, len(sessions), [grant.grant_id for grant in grants]


async def an_admin_with_an_approval(desk: Desk) -> None:
    desk.provider.claims = {"preferred_username": "ana", "groups": ["admins"]}
    await desk.arrive()
    grant, _ = pending_grant()
    await desk.database.grants.open_grant(grant)
    decision = decision_by("corp:ana", NOW, via="oidc:corp")
    await desk.database.grants.change_grant(grant.grant_id, lambda stored: stored.approve(decision, "worker-1"))


@pytest.mark.parametrize(
    ("claims", "left_out"),
    [
        ({}, {}),
        ({"groups": None}, {}),
        ({"_claim_names": {"groups": "src1"}}, {}),
        ({"hasgroups": True}, {}),
        ({}, {"groups": "the userinfo endpoint answered 403"}),
    ],
)
async def test_a_claim_that_was_left_out_changes_nothing(
    desk: Desk, claims: dict[str, object], left_out: dict[str, str]
) -> None:
    await an_admin_with_an_approval(desk)
    before = await state_of(desk)
    desk.provider.claims, desk.provider.left_out = {"preferred_username": "ana", **claims}, left_out
    assert await desk.refused() is OidcRefused.CLAIMS_UNKNOWN
    assert await state_of(desk) == before
    desk.provider.claims, desk.provider.left_out = {"preferred_username": "ana", "groups": []}, {}
    assert await desk.refused() is OidcRefused.NO_ROLE
    assert (await state_of(desk))[:4] == (Role.VIEWER, (), None, 0)


async def test_the_last_role_holds_for_the_grace_after_claims_last_gave_it(desk: Desk) -> None:
    await an_admin_with_an_approval(desk)
    desk.provider.role_grace = 3600
    desk.provider.claims = {"preferred_username": "ana", "_claim_names": {"groups": "src1"}}
    desk.clock.advance(1800)
    assert (await desk.arrive()).actor.role is Role.ADMIN
    (kept,) = await desk.database.audit.newest(AuditFilter(kinds=(AuditKind.OPERATOR_CHANGED,)), 1)
    assert kept.event.details["done"] == "kept the last known role"
    assert kept.event.reason == '"groups" did not come; role_grace'
    desk.clock.advance(1800)
    assert await desk.refused() is OidcRefused.CLAIMS_UNKNOWN
    assert (await state_of(desk))[0] is Role.ADMIN


async def test_a_person_who_lost_their_role_does_not_get_it_back_by_a_missing_claim(desk: Desk) -> None:
    await desk.arrive()
    desk.provider.role_grace = 3600
    desk.provider.claims = {"groups": []}
    assert await desk.refused() is OidcRefused.NO_ROLE
    desk.provider.claims = {}
    assert await desk.refused() is OidcRefused.CLAIMS_UNKNOWN


async def test_a_disabled_operator_stays_disabled_within_the_grace(desk: Desk) -> None:
    await desk.arrive()
    await desk.database.operators.set_disabled("corp:ana", NOW)
    desk.provider.role_grace, desk.provider.claims = 3600, {}
    assert await desk.refused() is OidcRefused.DISABLED
    (added,) = await desk.database.audit.newest(AuditFilter(kinds=(AuditKind.OPERATOR_CHANGED,)), 9)
    assert added.event.details["done"] == "added by signing in"


@pytest.mark.parametrize("claims", [{}, {"_claim_names": {"groups": "src1"}}])
async def test_a_new_person_without_the_claims_that_decide_is_refused_with_the_reason(
    desk: Desk, claims: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    desk.provider.claims = {"name": "Ana", "preferred_username": "ana@corp", **claims}
    refusal = await desk.refusal()
    assert (refusal.why, refusal.person) == (OidcRefused.CLAIMS_UNKNOWN, "Ana (ana@corp)")
    assert refusal.missing.startswith("groups: unknown (" if claims else "groups: did not come")
    assert refusal.explanation is not None
    assert ("too many groups for one token; use app roles" in refusal.explanation.nearest) is bool(claims)
    assert await desk.database.operators.operators() == []
    assert refusal.explanation.nearest in caplog.text


async def test_a_refusal_says_what_came_and_logs_it_in_one_line(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.provider.claims = {"name": "A\nna\u202e", "groups": ["/fra"], "email": "ana@example.org"}
    refusal = await desk.refusal()
    assert (refusal.why, refusal.person) == (OidcRefused.NO_ROLE, r"A\nna\u202e")
    assert refusal.explanation is not None
    assert refusal.explanation.nearest.startswith('"/fra" is not "fra": turn off "Full group path"')
    (record,) = [record for record in caplog.records if "no role here" in record.message]
    assert '"/fra" is not "fra"' in record.message
    assert record.message.isprintable()
    assert "ana@example.org" not in record.message


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"error": "access_denied"}, "access_denied", "access_denied"),
        (
            {"error": "invalid_scope", "error_description": "Invalid scopes: openid groups"},
            "invalid_scope",
            "invalid_scope: Invalid scopes: openid groups",
        ),
        ({"error": "<b>", "error_description": "a\nb\u202e"}, "", r"<b>: a\nb\u202e"),
        ({"error": "", "error_description": "only words"}, "", "only words"),
        ({"error": "x" * 9000}, "", "x" * 299 + "…"),
        ({"error": "server_error", "code": "c"}, "server_error", "server_error"),
        ({}, "", ""),
        ({"code": ""}, "", ""),
    ],
)
async def test_what_the_provider_says_is_kept_cleaned_and_limited(
    desk: Desk, answer: dict[str, str], error: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = await desk.answer(await desk.leave(), **answer)
    assert refusal == OidcRefusal(OidcRefused.DECLINED, said=said, error=error)
    assert (said or "no error and no code") in caplog.text


async def test_an_error_without_a_sign_in_is_logged_and_its_words_are_not_passed_on(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    away = await desk.leave()
    for secret, state in ((away.secret, ""), (None, desk.provider.asked[-1].state)):
        answer = {"state": state, "error": "invalid_request", "error_description": "Call 555 now"}
        refusal = await desk.work.finish("corp", secret, answer, DESK)
        assert refusal == OidcRefusal(OidcRefused.LATE, error="invalid_request")
    assert caplog.text.count("to no sign-in that is open: invalid_request: Call 555 now") == 2


async def test_what_the_token_endpoint_says_reaches_the_person(desk: Desk) -> None:
    desk.provider.wrong = ProviderWrong("the token endpoint refuses the code", "invalid_client: Bad secret")
    refusal = await desk.refusal()
    assert refusal == OidcRefusal(
        OidcRefused.WRONG,
        said="invalid_client: Bad secret",
        error="invalid_client",
        problem="the token endpoint refuses the code",
    )
    desk.provider.wrong = ProviderWrong("its keys cannot be read\n")
    assert await desk.refusal() == OidcRefusal(OidcRefused.WRONG, problem=r"its keys cannot be read\n")

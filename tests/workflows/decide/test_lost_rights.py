"""A person who is disabled or loses rights keeps no vote, no armed window, and no approval that was not delivered."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.codes import access_token_digest
from bootgrant.approval.decision import WhyVoid
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.operators import VIA_SESSION, Actor, Kind, Label, Role, socket_actor, via_token
from bootgrant.approval.policy import Window
from bootgrant.approval.transitions import GrantState
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.ports.people import Operator
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.decide.lost_rights import LostRights, VoidApprovals
from bootgrant.workflows.decide.windows import CloseWindows, WindowRequest
from bootgrant.workflows.limits.admission import HeldPolls
from bootgrant.workflows.machine.deliver import DeliverConfig, DeliveryRefusal
from bootgrant.workflows.machine.tokens import MachineTokens, PollGrant, PollRefused
from bootgrant.workflows.people.api_tokens import ApiTokens, NewToken
from bootgrant.workflows.people.manage_operators import ManageOperators
from bootgrant.workflows.record.codes_again import CodesAgain
from support.deciding import ANA, BEN, CP, Deciders, worker
from support.fakes import CountedEntropy
from support.grants import NOW, UUID, other_machine, pending_grant
from support.minting import minting

pytestmark = pytest.mark.anyio
AMS = (Label("site", "ams"),)
FRA = (Label("site", "fra"),)
CONTROL_PLANE = MachineIdentity(uuid=UUID)
ROOT = socket_actor("root")
_ENTROPY = CountedEntropy()
RULES = GrantRules()
ROLES = {"viewer": Role.VIEWER, "auditor": Role.AUDITOR}


class Site(Deciders):
    """The workflows of decisions, and those that manage operators and tokens."""

    async def people(self) -> ManageOperators:
        for name in ("ana", "ben", "cleo"):
            await self.database.operators.add_operator(Operator(name, "hash", NOW, Role.APPROVER, (), Kind.LOCAL))
        base, lost = self.database, self.lost()
        tokens, hasher = self.tokens(), Argon2Hasher()
        return ManageOperators(
            base.operators, base.passkeys, hasher, self.clock, _ENTROPY, lost, tokens, base.push_devices
        )

    def tokens(self) -> ApiTokens:
        base = self.database
        return ApiTokens(base.api_tokens, base.operators, self.clock, _ENTROPY, self.lost())

    def lost(self) -> LostRights:
        base = self.database
        windows = CloseWindows(base.windows, self.clock)
        return LostRights(windows, VoidApprovals(base.grants, self.cards.votes, self.clock, self.entries))

    async def window(self, by: Actor, name: str) -> None:
        assert isinstance(await self.arm.arm(WindowRequest(("site=fra",), 3600, 5, name=name), by), Window)

    async def open_windows(self) -> list[str]:
        return [window.name for window in await self.arm.windows()]

    async def counted_votes(self, grant: DeviceGrant) -> list[str]:
        card = await self.cards.show(grant.grant_id)
        assert card is not None
        return [vote.by for vote in card.votes]

    async def redeemed(self, grant: DeviceGrant) -> Secret:
        """Exchange the code, as the machine does; return the token."""
        token = Secret(f"token of {grant.grant_id}")
        digest = access_token_digest(token)
        rule = partial(DeviceGrant.redeem, client_id="talos", token_digest=digest, rules=RULES, now=self.clock.now())
        await self.database.grants.change_grant(grant.grant_id, rule)
        return token

    async def fetched(self, grant: DeviceGrant) -> None:
        """Download the configuration, as the machine does."""
        await self.redeemed(grant)
        await self.database.grants.change_grant(grant.grant_id, partial(DeviceGrant.deliver, rules=RULES, now=NOW))

    async def own_token(self, name: str) -> Actor:
        """Create a token of ana and present it."""
        ana = await self.database.operators.find_operator("ana")
        assert ana is not None
        tokens = self.tokens()
        made = await tokens.create_own(name, Role.APPROVER, (), 3600, ana, VIA_SESSION)
        assert isinstance(made, NewToken)
        actor = await tokens.authenticate(made.secret)
        assert actor is not None
        return actor


@pytest.fixture
def site() -> Site:
    made = Site()
    made.entries.known += [CP, worker(1)]
    return made


@pytest.mark.parametrize("way", ["disabled", "viewer", "auditor", "other machines"])
async def test_a_vote_stops_counting_when_its_operator_may_no_longer_decide(site: Site, way: str) -> None:
    manage = await site.people()
    grant = await site.request(CONTROL_PLANE)
    await site.decide.approve(grant.grant_id, ANA)
    assert await site.counted_votes(grant) == ["ana"]
    if way == "disabled":
        await manage.disable("ana", ROOT)
    else:
        await manage.set_rights("ana", ROLES.get(way, Role.APPROVER), AMS, ROOT)
    assert await site.counted_votes(grant) == []
    outcome = await site.decide.approve(grant.grant_id, BEN)
    assert isinstance(outcome, DeviceGrant)
    assert (outcome.state, [vote.by for vote in outcome.votes]) == (GrantState.PENDING, ["ben"])
    await site.decide.approve(grant.grant_id, Actor("cleo", Role.APPROVER))
    assert (await site.current(grant)).state is GrantState.APPROVED


async def test_a_vote_counts_as_long_as_its_operator_may_decide(site: Site) -> None:
    await site.people()
    grant = await site.request(CONTROL_PLANE)
    await site.decide.approve(grant.grant_id, ANA)
    await site.decide.approve(grant.grant_id, BEN)
    assert (await site.current(grant)).state is GrantState.APPROVED


async def test_a_vote_over_the_admin_socket_needs_no_operator_but_falls_with_a_disabled_one_of_its_name(
    site: Site,
) -> None:
    manage = await site.people()
    await manage.set_rights("ana", Role.VIEWER, None, ROOT)
    for number, user in enumerate(("root", "ana", "Ana")):
        grant = await site.request(CONTROL_PLANE, f"10.20.0.{number}")
        await site.decide.approve(grant.grant_id, socket_actor(user))
        assert await site.counted_votes(grant) == [f"{user} (admin.sock)"]
        await manage.disable("ana", ROOT)
        assert await site.counted_votes(grant) == (["root (admin.sock)"] if user == "root" else [])
        await manage.enable("ana", ROOT)


async def test_operators_whose_names_differ_in_case_are_judged_each_for_themselves(site: Site) -> None:
    manage = await site.people()
    await site.database.operators.add_operator(Operator("Ana", "hash", NOW, Role.APPROVER))
    grant = await site.request(CONTROL_PLANE)
    await site.decide.approve(grant.grant_id, Actor("Ana", Role.APPROVER))
    await manage.disable("ana", ROOT)
    assert await site.counted_votes(grant) == ["Ana"]
    await manage.enable("ana", ROOT)
    await manage.disable("Ana", ROOT)
    assert await site.counted_votes(grant) == []


async def test_a_disabled_operators_windows_are_closed_and_approve_nothing(site: Site) -> None:
    manage = await site.people()
    await site.window(ANA, "session")
    await site.window(Actor("ana", Role.APPROVER, via="passkey"), "passkey")
    await site.window(BEN, "ben")
    await site.window(Actor("ana", Role.ADMIN, via=via_token("ana")), "token")
    await manage.disable("ana", ROOT)
    assert await site.open_windows() == ["ben", "token"]
    closed = [event for event in await site.events() if event.kind is AuditKind.DISARMED]
    assert [(event.reason, event.details["name"], event.details["by"]) for event in closed] == [
        ("the operator ana was disabled", "session", "ana"),
        ("the operator ana was disabled", "passkey", "ana (passkey)"),
    ]
    assert all(event.details["window"] for event in closed)
    await manage.disable("ben", ROOT)
    assert await site.tokens().revoke("ana", ROOT) is False
    await site.lost().of_token("ana")
    grant = await site.request(other_machine(1))
    await site.auto_approve.step()
    assert (await site.current(grant)).state is GrantState.PENDING


async def test_a_window_that_has_ended_is_closed_without_a_record(site: Site) -> None:
    manage = await site.people()
    await site.window(ANA, "over")
    site.clock.advance(3600)
    await manage.disable("ana", ROOT)
    assert await site.database.windows.windows() == []
    assert [event.kind for event in await site.events()] == [AuditKind.ARMED, AuditKind.OPERATOR_CHANGED]


@pytest.mark.parametrize(
    ("role", "labels", "left"),
    [
        (Role.VIEWER, None, ["ben"]),
        (Role.AUDITOR, None, ["ben"]),
        (Role.APPROVER, AMS, ["ben"]),
        (Role.APPROVER, FRA, ["ana", "ben"]),
    ],
)
async def test_windows_that_their_operator_could_not_arm_any_more_are_closed(
    site: Site, role: Role, labels: tuple[Label, ...] | None, left: list[str]
) -> None:
    manage = await site.people()
    await site.window(ANA, "ana")
    await site.window(BEN, "ben")
    await site.window(socket_actor("ana"), "socket")
    await manage.set_rights("ana", role, labels, ROOT)
    assert await site.open_windows() == [*left, "socket"]
    reasons = [event.reason for event in await site.events() if event.kind is AuditKind.DISARMED]
    assert reasons == ["the operator ana can no longer arm it"] * ("ana" not in left)


async def test_the_vote_of_a_revoked_token_does_not_count(site: Site) -> None:
    await site.people()
    grant = await site.request(CONTROL_PLANE)
    await site.decide.approve(grant.grant_id, await site.own_token("laptop"))
    assert await site.counted_votes(grant) == ["ana (token:laptop)"]
    assert await site.tokens().revoke_own(Actor("ana", Role.APPROVER), "laptop")
    await site.decide.approve(grant.grant_id, BEN)
    assert (await site.current(grant)).state is GrantState.PENDING
    await site.decide.approve(grant.grant_id, ANA)
    assert (await site.current(grant)).state is GrantState.APPROVED


async def test_the_vote_of_a_revoked_token_stays_void_when_a_later_token_has_its_name(site: Site) -> None:
    await site.people()
    grant = await site.request(CONTROL_PLANE)
    await site.decide.approve(grant.grant_id, await site.own_token("laptop"))
    site.clock.advance(1)
    await site.tokens().revoke("laptop", ROOT)
    await site.own_token("laptop")
    assert await site.counted_votes(grant) == []
    await site.decide.approve(grant.grant_id, BEN)
    assert (await site.current(grant)).state is GrantState.PENDING


async def test_a_vote_that_was_stored_just_after_its_token_was_revoked_does_not_count_for_a_later_token(
    site: Site,
) -> None:
    await site.people()
    grant = await site.request(CONTROL_PLANE)
    actor = await site.own_token("laptop")
    await site.tokens().revoke("laptop", ROOT)
    await site.decide.approve(grant.grant_id, actor)
    site.clock.advance(1)
    await site.own_token("laptop")
    assert await site.counted_votes(grant) == []


@pytest.mark.parametrize("way", ["disabled", "viewer", "auditor", "other machines"])
@pytest.mark.parametrize("waits", [True, False])
async def test_a_vote_stays_void_when_its_operator_gets_the_right_again(site: Site, way: str, waits: bool) -> None:
    """Also where the code has expired: the machine asks again, and its next request would inherit the vote."""
    manage = await site.people()
    grant = await site.request(CONTROL_PLANE)
    await site.decide.approve(grant.grant_id, ANA)
    if not waits:
        site.clock.advance(grant.expires_at - NOW + 1)
    if way == "disabled":
        await manage.disable("ana", ROOT)
        await manage.enable("ana", ROOT)
    else:
        await manage.set_rights("ana", ROLES.get(way, Role.APPROVER), AMS, ROOT)
        await manage.set_rights("ana", Role.APPROVER, (), ROOT)
    if not waits:
        again, _ = pending_grant(identity=CONTROL_PLANE, source_address=grant.source_address)
        grant = again._replace(opened_at=site.clock.now(), expires_at=site.clock.now() + 900)
        await site.database.grants.open_grant(grant)
    assert await site.counted_votes(grant) == []
    assert isinstance(await site.decide.approve(grant.grant_id, BEN), DeviceGrant)
    assert (await site.current(grant)).state is GrantState.PENDING
    await site.decide.approve(grant.grant_id, ANA)
    assert (await site.current(grant)).state is GrantState.APPROVED


async def test_votes_that_became_void_are_named_on_the_card_and_in_the_audit(site: Site) -> None:
    manage = await site.people()
    grant = await site.request(CONTROL_PLANE)
    await site.decide.approve(grant.grant_id, ANA)
    await manage.disable("ana", ROOT)
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    assert [(vote.by, why) for vote, why in card.void_votes] == [("ana", WhyVoid.APPROVER)]
    [event] = [event for event in await site.events() if event.kind is AuditKind.VOTE_WITHDRAWN]
    assert (event.grant_id, event.reason, event.details) == (
        grant.grant_id,
        "the operator ana was disabled",
        {"approved_by": "ana"},
    )


async def test_a_person_and_their_own_token_are_one_person(site: Site) -> None:
    await site.people()
    grant = await site.request(CONTROL_PLANE)
    await site.decide.approve(grant.grant_id, await site.own_token("laptop"))
    await site.decide.approve(grant.grant_id, ANA)
    assert (await site.current(grant)).state is GrantState.PENDING


async def test_a_revoked_token_leaves_no_window_open(site: Site) -> None:
    tokens = site.tokens()
    await tokens.create("ci", Role.APPROVER, (), 3600, socket_actor("root"))
    await site.window(Actor("ci", Role.APPROVER, via=via_token("ci")), "rack-4")
    await site.window(socket_actor("ci"), "by-hand")
    assert await tokens.revoke("ci", ROOT)
    assert await site.open_windows() == ["by-hand"]


async def test_windows_armed_with_a_persons_own_token_close_with_the_token_and_with_the_person(site: Site) -> None:
    manage = await site.people()
    for name in ("laptop", "ben"):
        await site.window(await site.own_token(name), f"by-{name}")
    assert [window.by for window in await site.arm.windows()] == ["ana (token:laptop)", "ana (token:ben)"]
    await manage.disable("ben", ROOT)
    assert await site.tokens().revoke("laptop", ROOT)
    assert await site.open_windows() == ["by-ben"]
    await manage.disable("ana", ROOT)
    assert await site.open_windows() == []


@pytest.mark.parametrize("is_own", [True, False])
async def test_revoking_a_token_again_ends_what_an_interrupted_revocation_left(site: Site, is_own: bool) -> None:
    await site.people()
    actor = await site.own_token("laptop")
    await site.window(actor, "rack-4")
    voted, approved = await site.request(CONTROL_PLANE), await site.request(other_machine(1), "10.20.0.2")
    for grant in (voted, approved):
        await site.decide.approve(grant.grant_id, actor)
    await site.database.api_tokens.remove_token("laptop")
    tokens = site.tokens()
    assert not await (tokens.revoke_own(ANA, "laptop") if is_own else tokens.revoke("laptop", ROOT))
    assert (await site.current(approved)).state is GrantState.VOID
    assert (await site.current(voted)).votes == ()
    assert await site.open_windows() == []


@pytest.mark.parametrize("way", ["disabled", "viewer", "auditor", "other machines"])
async def test_undelivered_approvals_of_a_person_who_loses_the_right_are_void(site: Site, way: str) -> None:
    manage = await site.people()
    mine, others, decided = [await site.request(other_machine(1), f"10.20.0.{n}") for n in range(3)]
    for grant, actor in ((mine, ANA), (others, BEN), (decided, ANA)):
        await site.decide.approve(grant.grant_id, actor)
    await site.fetched(decided)
    if way == "disabled":
        ended = await manage.disable("ana", ROOT)
        reason = "the operator ana was disabled"
    else:
        ended = await manage.set_rights("ana", ROLES.get(way, Role.APPROVER), AMS, ROOT)
        reason = "the operator ana may no longer approve this machine"
    assert ended == 1
    after = await site.current(mine)
    assert (after.state, after.void_reason) == (GrantState.VOID, reason)
    assert (await site.current(others)).state is GrantState.APPROVED
    assert (await site.current(decided)).state is GrantState.DELIVERED
    [event] = [event for event in await site.events() if event.kind is AuditKind.VOIDED]
    assert (event.grant_id, event.reason, event.details["approved_by"]) == (mine.grant_id, reason, "ana")


async def not_elsewhere(grant: DeviceGrant) -> None:
    raise AssertionError(f"the token of {grant.grant_id} was used at another address")


async def test_an_approval_with_a_vote_of_a_disabled_operator_is_void_and_so_is_an_issued_token(site: Site) -> None:
    manage = await site.people()
    grant = await site.request(CONTROL_PLANE)
    for actor in (ANA, BEN):
        await site.decide.approve(grant.grant_id, actor)
    token = await site.redeemed(grant)
    assert await manage.disable("ana", ROOT) == 1
    deliver = DeliverConfig(
        site.database.grants,
        site.entries,
        site.clock,
        RULES,
        not_elsewhere,
        site.database.audit,
        minting(site.database, site.clock),
    )
    assert await deliver(token, grant.identity, grant.source_address) is DeliveryRefusal.VOID_TOKEN
    assert await MachineTokens(site.database.grants, site.clock, RULES).active(token) is None


async def test_rights_that_still_suffice_and_the_admin_socket_keep_approvals(site: Site) -> None:
    manage = await site.people()
    mine, socket = [await site.request(other_machine(1), f"10.20.0.{n}") for n in range(2)]
    await site.decide.approve(mine.grant_id, ANA)
    await site.decide.approve(socket.grant_id, socket_actor("ana"))
    assert await manage.set_rights("ana", Role.APPROVER, FRA, ROOT) == 0
    assert await manage.set_rights("ana", Role.VIEWER, FRA, ROOT) == 1
    assert (await site.current(mine)).state is GrantState.VOID
    assert (await site.current(socket)).state is GrantState.APPROVED
    assert await manage.disable("ana", ROOT) == 1
    assert (await site.current(socket)).state is GrantState.VOID


async def test_what_a_window_approved_stays_when_its_operator_is_disabled(site: Site) -> None:
    manage = await site.people()
    await site.window(ANA, "rack4")
    grant = await site.request(other_machine(1))
    await site.auto_approve.step()
    assert await manage.disable("ana", ROOT) == 0
    assert (await site.current(grant)).state is GrantState.APPROVED


async def test_undelivered_approvals_with_a_revoked_token_are_void(site: Site) -> None:
    await site.people()
    actor = await site.own_token("laptop")
    grant = await site.request(other_machine(1))
    await site.decide.approve(grant.grant_id, actor)
    await site.tokens().revoke("laptop", ROOT)
    assert (await site.current(grant)).void_reason == "the token laptop was revoked"


async def test_an_approval_that_is_stored_just_after_its_operator_was_disabled_is_void(site: Site) -> None:
    """The request was authorized before, and the approvals to end were looked for before it was stored."""
    await site.people()
    grant = await site.request(other_machine(1))
    await site.database.operators.set_disabled("ana", NOW)
    outcome = await site.decide.approve(grant.grant_id, ANA)
    assert isinstance(outcome, NotDecided)
    assert outcome.refusal is Refusal.NOT_ALLOWED
    assert (await site.current(grant)).state is GrantState.VOID


async def test_the_number_of_approvals_that_would_become_void_is_known_before(site: Site) -> None:
    manage = await site.people()
    for number in range(2):
        grant = await site.request(other_machine(1), f"10.20.0.{number}")
        await site.decide.approve(grant.grant_id, ANA)
    counts = await site.lost().approvals.counts()
    assert [counts(name) for name in ("ana", "ben")] == [2, 0]
    assert await manage.disable("ana", ROOT) == 2


async def test_a_machine_whose_approval_became_void_gets_an_expired_code_at_once_and_asks_again(site: Site) -> None:
    manage = await site.people()
    grant, code = pending_grant(identity=other_machine(1))
    await site.database.grants.open_grant(grant)
    await site.decide.approve(grant.grant_id, ANA)
    await manage.disable("ana", ROOT)
    again = CodesAgain(site.database.audit, site.clock, RULES)
    poll = PollGrant(site.database.grants, site.clock, RULES, HeldPolls(9), again)
    gone = asyncio.get_running_loop().create_future()
    answer = await poll("talos", code, gone, grant.source_address)
    assert answer == PollRefused(ErrorCode.EXPIRED_TOKEN)
    following = await site.request(other_machine(1))
    card = await site.cards.show(following.grant_id)
    assert card is not None
    assert card.undelivered is not None
    assert card.undelivered.message == (
        "Approved by ana 0 s ago, but that approval is void: the operator ana was disabled. Approve again."
    )

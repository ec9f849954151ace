"""A provider signs a person out: their sessions end, and what they gave is void, unless they signed out here."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.providers import Logout, LogoutRefused, ProviderUnavailable
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.oidc_logout import OWN_REMEMBERED, LoggedOut, UnknownProvider
from support.leaving import ANA, Company

pytestmark = pytest.mark.anyio
KEPT = (GrantState.APPROVED, 1, 1)
VOID = (GrantState.VOID, 0, 0)
WHY = "signed out at the provider corp"


@pytest.fixture
def company() -> Company:
    return Company()


async def call(company: Company, *, sub: str = "sub of ana", sid: str = "sid-1", name: str = "t") -> LoggedOut:
    """Let the provider send a logout token of this name."""
    now = company.clock.now()
    company.corp.logouts[name] = Logout(sub, sid, name, now, now + 120)
    done = await company.logout.by_provider("corp", Secret(name))
    assert isinstance(done, LoggedOut)
    return done


async def own_sign_out(company: Company, session: Secret) -> None:
    who = await company.who(session)
    assert who is not None
    await company.logout.note_own(who)
    await company.sessions.end(session)


async def test_a_signed_out_person_loses_session_votes_windows_and_approvals(company: Company) -> None:
    session = await company.arrive()
    given = await company.approve(), await company.vote()
    await company.arm()
    assert await company.given(*given) == KEPT
    assert await call(company) == LoggedOut(1, void=True)
    assert await company.who(session) is None
    assert await company.given(*given) == VOID
    grant = await company.database.grants.find_grant(given[0])
    assert grant is not None
    assert grant.void_reason == f"the operator corp:ana was {WHY}"
    events = {event.kind: event for event in await company.audited()}
    kinds = (AuditKind.VOIDED, AuditKind.VOTE_WITHDRAWN, AuditKind.DISARMED)
    assert [events[kind].reason for kind in kinds] == [f"the operator corp:ana was {WHY}"] * 3
    assert events[AuditKind.SIGNED_OUT].reason == WHY
    assert (events[AuditKind.SIGNED_OUT].actor, events[AuditKind.SIGNED_OUT].via) == (
        "corp:ana (oidc:corp)",
        "oidc:corp",
    )


async def test_a_session_id_without_a_subject_ends_that_session(company: Company) -> None:
    session = await company.arrive()
    company.corp.session_id = "sid-2"
    other = await company.arrive()
    assert await call(company, sub="") == LoggedOut(1, void=True)
    assert await company.who(session) is None
    assert await company.who(other) is not None


async def test_a_subject_without_a_session_id_ends_all_sessions_of_the_person(company: Company) -> None:
    first = await company.arrive()
    company.corp.session_id = "sid-2"
    second, other = await company.arrive(), await company.arrive("ben")
    assert await call(company, sid="") == LoggedOut(2, void=True)
    assert [await company.who(each) is None for each in (first, second, other)] == [True, True, False]


async def test_another_person_loses_nothing(company: Company) -> None:
    await company.arrive()
    given = await company.approve("corp:ben"), await company.vote("corp:ben")
    await company.arm("corp:ben")
    await call(company)
    assert await company.given(*given) == KEPT


async def test_a_session_of_an_unknown_name_ends_with_any_of_the_person(company: Company) -> None:
    """Such as one that began before the upgrade, or at a provider that has no sid in its ID tokens."""
    company.corp.session_id = ""
    session = await company.arrive()
    assert await call(company, sid="sid-9") == LoggedOut(1, void=True)
    assert await company.who(session) is None


async def test_a_sign_out_of_their_own_loses_nothing(company: Company) -> None:
    session = await company.arrive()
    given = await company.approve(), await company.vote()
    await company.arm()
    await own_sign_out(company, session)
    assert await call(company) == LoggedOut(0, void=False)
    assert await call(company, sid="", name="t2") == LoggedOut(0, void=False)
    assert await company.given(*given) == KEPT


async def test_a_sign_out_of_their_own_is_not_remembered_for_long(company: Company) -> None:
    session = await company.arrive()
    given = await company.approve(), await company.vote()
    await company.arm()
    await own_sign_out(company, session)
    company.clock.advance(OWN_REMEMBERED)
    assert await call(company) == LoggedOut(0, void=True)
    assert await company.given(*given) == VOID


async def test_a_sign_out_of_their_own_does_not_cover_a_later_session(company: Company) -> None:
    """The provider's session continued, and the person signed in again with it. Then the provider signed them out."""
    await own_sign_out(company, await company.arrive())
    company.clock.advance(30)
    session = await company.arrive()
    given = await company.approve(), await company.vote()
    await company.arm()
    assert await call(company) == LoggedOut(1, void=True)
    assert await company.who(session) is None
    assert await company.given(*given) == VOID


async def test_a_session_that_is_not_open_here_takes_nothing_from_a_person_who_has_another(company: Company) -> None:
    session = await company.arrive()
    given = await company.approve(), await company.vote()
    await company.arm()
    assert await call(company, sid="sid-of-the-phone") == LoggedOut(0, void=False)
    assert await company.who(session) is not None
    assert await company.given(*given) == KEPT


async def test_a_person_without_a_session_here_loses_what_they_gave(company: Company) -> None:
    session = await company.arrive()
    given = await company.approve(), await company.vote()
    await company.arm()
    await company.sessions.end(session)
    assert await call(company) == LoggedOut(0, void=True)
    assert await company.given(*given) == VOID


async def test_the_same_token_again_changes_nothing(company: Company) -> None:
    await company.arrive()
    await call(company)
    session = await company.arrive()
    given = await company.approve(), await company.vote()
    await company.arm()
    for seconds in (0, 60, 59):
        company.clock.advance(seconds)
        assert await company.logout.by_provider("corp", Secret("t")) == LoggedOut(0, void=False)
    assert await company.who(session) is not None
    assert await company.given(*given) == KEPT


async def test_a_late_token_does_not_end_a_session_that_began_after_it(company: Company) -> None:
    now = company.clock.now()
    company.corp.logouts["late"] = Logout("sub of ana", "", "late", now, now + 300)
    company.clock.advance(61)
    session = await company.arrive()
    assert await company.logout.by_provider("corp", Secret("late")) == LoggedOut(0, void=False)
    assert await company.who(session) is not None


async def test_strangers_are_not_an_error(company: Company) -> None:
    assert await call(company, sub="nobody") == LoggedOut(0, void=False)
    assert await call(company, sub="", sid="nothing", name="t2") == LoggedOut(0, void=False)


async def test_a_refused_token_ends_nothing(company: Company) -> None:
    session = await company.arrive()
    assert await company.logout.by_provider("corp", Secret("forged")) == LogoutRefused("not a token")
    with pytest.raises(UnknownProvider):
        await company.logout.by_provider("lab", Secret("t"))
    company.corp.is_down = True
    with pytest.raises(ProviderUnavailable):
        await company.logout.by_provider("corp", Secret("t"))
    assert await company.who(session) is not None


async def test_an_api_token_of_a_signed_out_person_still_works(company: Company) -> None:
    await company.arrive()
    await call(company)
    assert (await company.operator(ANA)).disabled_at is None


async def test_a_person_who_was_signed_out_signs_in_and_approves_again(company: Company) -> None:
    await company.arrive()
    await company.approve()
    await call(company)
    company.corp.session_id = "sid-2"
    assert await company.who(await company.arrive()) is not None
    given = await company.approve(), await company.vote()
    await company.arm()
    assert await company.given(*given) == KEPT

"""People who signed in at a provider are checked there: who left loses everything, and an outage takes nothing."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.people import BY_PROVIDER
from bootgrant.ports.providers import Cause, Ended, ProviderWrong
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.oidc_sign_in import OidcRefusal, OidcRefused
from bootgrant.workflows.people.presence import FRESH, CheckPresence
from bootgrant.workflows.people.sign_in import SignedIn
from support.leaving import ANA, Company

pytestmark = pytest.mark.anyio
KEPT = (GrantState.APPROVED, 1, 1)
VOID = (GrantState.VOID, 0, 0)
DISABLED = Ended(Cause.LEFT, "User disabled")
NOT_ACTIVE = Ended(Cause.ENDED, "Session not active")
EXPIRED = Ended(Cause.UNCLEAR, "Token is not active")


@pytest.fixture
def company() -> Company:
    return Company()


async def signed_in(company: Company, session: Secret) -> SignedIn:
    who = await company.who(session)
    assert who is not None
    return who


async def gave(company: Company) -> tuple[str, str]:
    given = await company.approve(), await company.vote()
    await company.arm()
    return given


async def decides(company: Company, who: SignedIn, server: CheckPresence | None = None) -> bool:
    """Return whether the person may decide, while the chore of the checks before decisions runs."""
    work = server or company.presence

    async def chore() -> None:
        await work.wait_for_decision()
        await work.before_decision()

    running = asyncio.create_task(chore())
    try:
        return await work.is_present(who)
    finally:
        running.cancel()


async def test_a_session_is_checked_when_it_is_due_and_keeps_the_new_refresh_token(company: Company) -> None:
    session = await company.arrive()
    await company.presence.step()
    assert company.corp.used == []
    for used in (["r0"], ["r0", "r1"]):
        company.clock.advance(60)
        await company.presence.step()
        await company.presence.step()
        assert company.corp.used == used
    kept = (await signed_in(company, session)).session
    assert (kept.renewal, kept.checked_at) == ("key seals r2", company.clock.now())
    assert kept.renewal_until == company.clock.now() + 1800


async def test_the_refresh_token_is_not_stored_in_clear(company: Company) -> None:
    kept = (await signed_in(company, await company.arrive())).session
    assert (kept.renewal, kept.provider_session) == ("key seals r0", "sid-1")


async def test_who_is_disabled_at_the_provider_loses_everything(company: Company) -> None:
    session = await company.arrive()
    given = await gave(company)
    company.corp.answer = DISABLED
    company.clock.advance(60)
    await company.presence.step()
    assert await company.who(session) is None
    assert await company.given(*given) == VOID
    operator = await company.operator()
    assert (operator.disabled_at, operator.disabled_by) == (company.clock.now(), BY_PROVIDER)
    changed = [event for event in await company.audited() if event.details.get("done") == "disabled by the provider"]
    assert [event.reason for event in changed] == ["disabled at the provider corp: User disabled"]


async def test_who_is_enabled_at_the_provider_again_signs_in_as_before(company: Company) -> None:
    await company.arrive()
    company.corp.answer = DISABLED
    company.clock.advance(60)
    await company.presence.step()
    session = await company.arrive()
    assert await company.who(session) is not None
    assert (await company.operator()).disabled_by == ""
    assert any(event.details.get("done") == "enabled by signing in" for event in await company.audited())


async def test_who_was_disabled_here_stays_disabled(company: Company) -> None:
    await company.arrive()
    await company.database.operators.set_disabled(ANA, company.clock.now())
    refused = await company.finish()
    assert isinstance(refused, OidcRefusal)
    assert refused.why is OidcRefused.DISABLED
    assert (await company.operator()).disabled_at is not None


async def test_a_session_that_was_ended_early_takes_everything_along(company: Company) -> None:
    session = await company.arrive()
    given = await gave(company)
    company.corp.answer = NOT_ACTIVE
    company.clock.advance(60)
    await company.presence.step()
    assert await company.who(session) is None
    assert await company.given(*given) == VOID
    assert (await company.operator()).disabled_at is None


@pytest.mark.parametrize(("lifetime", "answer"), [(None, NOT_ACTIVE), (1800.0, EXPIRED), (None, EXPIRED)])
async def test_a_session_that_may_only_have_expired_takes_no_approval_along(
    company: Company, lifetime: float | None, answer: Ended
) -> None:
    company.corp.lifetime = lifetime
    session = await company.arrive()
    given = await gave(company)
    company.corp.answer = answer
    company.clock.advance(60)
    await company.presence.step()
    assert await company.who(session) is None
    assert await company.given(*given) == KEPT
    ended = next(event for event in await company.audited() if event.kind is AuditKind.SIGNED_OUT)
    assert ended.reason == f"the session ended at the provider corp: {answer.reason}"


async def test_a_session_that_ends_as_it_expires_takes_no_approval_along(company: Company) -> None:
    company.corp.lifetime = 63.0
    await company.arrive()
    given = await gave(company)
    company.corp.answer = NOT_ACTIVE
    company.clock.advance(60)
    await company.presence.step()
    assert await company.given(*given) == KEPT


async def test_a_check_during_the_own_sign_out_takes_nothing_along(company: Company) -> None:
    session = await company.arrive()
    who, given = await signed_in(company, session), await gave(company)

    async def sign_out(_token: str) -> None:
        await company.logout.note_own(who)
        await company.sessions.end(session)

    company.corp.meanwhile, company.corp.answer = sign_out, NOT_ACTIVE
    company.clock.advance(60)
    await company.presence.step()
    assert company.corp.used == ["r0"]
    assert await company.given(*given) == KEPT


async def test_an_own_sign_out_keeps_everything_although_the_browser_left_an_older_session(company: Company) -> None:
    older, session = await company.arrive(), await company.arrive()
    given = await gave(company)
    await company.logout.note_own(await signed_in(company, session))
    await company.sessions.end(session)
    assert await company.who(older) is None
    company.corp.answer = NOT_ACTIVE
    company.clock.advance(60)
    await company.presence.step()
    assert await company.given(*given) == KEPT


async def test_an_own_sign_out_ends_no_session_of_another_browser(company: Company) -> None:
    session = await company.arrive()
    company.corp.session_id = "sid-2"
    other = await company.arrive()
    await company.logout.note_own(await signed_in(company, session))
    await company.sessions.end(session)
    assert await company.who(other) is not None


async def test_a_session_that_was_renewed_meanwhile_does_not_end_at_its_former_time(company: Company) -> None:
    company.corp.lifetime = 70.0
    session = await company.arrive()
    before = await signed_in(company, session)
    company.clock.advance(60)
    await company.server().step()
    company.clock.advance(20)
    assert await decides(company, before)
    assert await company.who(session) is not None


async def test_nobody_who_decides_waits_for_the_check_of_another_person(company: Company) -> None:
    slow = await signed_in(company, await company.arrive("ben"))
    company.clock.advance(FRESH)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def hang(token: str) -> None:
        if token == "r0":
            asked.set()
            await answered.wait()

    company.corp.meanwhile = hang
    chore = asyncio.create_task(repeated(company.presence))
    waiting = asyncio.create_task(company.presence.is_present(slow))
    try:
        await asked.wait()
        left = await signed_in(company, await company.arrive())
        company.corp.answer = DISABLED
        company.clock.advance(FRESH)
        assert not await company.presence.is_present(left)
        assert not answered.is_set()
        assert await waiting, "a provider that is slow delays nobody, and takes nothing"
        assert await company.presence.is_present(slow)
        assert company.corp.used == ["r0", "r1"], "the check that is running is the one to wait for"
    finally:
        chore.cancel()


async def repeated(work: CheckPresence) -> None:
    while True:
        await work.wait_for_decision()
        await work.before_decision()


async def test_an_expired_refresh_token_is_not_sent(company: Company) -> None:
    company.corp.lifetime = 50.0
    session = await company.arrive()
    given = await gave(company)
    company.clock.advance(60)
    await company.presence.step()
    assert company.corp.used == []
    assert await company.who(session) is None
    assert await company.given(*given) == KEPT


async def test_a_provider_that_is_down_takes_nothing(company: Company) -> None:
    session = await company.arrive()
    given = await gave(company)
    company.corp.is_down = True
    company.clock.advance(60)
    await company.presence.step()
    assert await decides(company, await signed_in(company, session))
    assert await company.given(*given) == KEPT
    company.corp.is_down, company.corp.answer = False, DISABLED
    company.clock.advance(60)
    await company.presence.step()
    assert await company.who(session) is None


async def test_why_a_check_failed_is_known_until_the_provider_answers_again(company: Company) -> None:
    await company.arrive()
    server = company.presence
    assert server.problem_of("corp") is None
    company.corp.is_down = True
    company.clock.advance(61)
    await server.step()
    problem = server.problem_of("corp")
    assert problem is not None
    assert (problem.at, problem.reason) == (company.clock.now(), "nobody there")
    company.corp.is_down = False
    company.clock.advance(61)
    await server.step()
    assert server.problem_of("corp") is None


async def test_an_odd_answer_for_one_session_keeps_no_other_from_being_checked(company: Company) -> None:
    sessions = []
    for name in "abcdefghijklmnopqrst":
        sessions.append(await company.arrive(name))
        company.corp.used.append(name)

    async def refuse_first(token: str) -> None:
        if token == "r0":
            raise ProviderWrong("invalid_request")

    company.corp.meanwhile = refuse_first
    for seconds in (60, 10):
        company.clock.advance(seconds)
        await company.presence.step()
        assert len(company.corp.used) == 2 * len(sessions)
    assert None not in [await company.who(session) for session in sessions]


async def test_two_servers_do_not_use_a_refresh_token_twice(company: Company) -> None:
    session = await company.arrive()
    company.clock.advance(60)
    servers = [company.presence, company.server()]
    await asyncio.gather(*(server.step() for server in servers for _ in range(5)))
    assert company.corp.used == ["r0"]
    company.clock.advance(60)
    await servers[1].step()
    assert company.corp.used == ["r0", "r1"]
    assert await company.who(session) is not None


async def test_a_check_that_never_finished_is_repeated_by_another_server(company: Company) -> None:
    session = await company.arrive()
    company.clock.advance(60)
    kept = (await signed_in(company, session)).session
    now = company.clock.now()
    assert await company.database.session_checks.claim_check(kept, now, now + 30)
    await company.presence.step()
    assert company.corp.used == []
    company.clock.advance(30)
    await company.presence.step()
    assert company.corp.used == ["r0"]


async def test_a_person_who_left_does_not_decide_any_more(company: Company) -> None:
    who = await signed_in(company, await company.arrive())
    company.corp.answer = DISABLED
    company.clock.advance(FRESH)
    assert not await decides(company, who)


async def test_a_person_who_was_checked_just_now_decides_at_once(company: Company) -> None:
    session = await company.arrive()
    company.clock.advance(FRESH - 1)
    assert await company.presence.is_present(await signed_in(company, session))
    company.clock.advance(1)
    assert await decides(company, await signed_in(company, session))
    assert company.corp.used == ["r0"]
    assert await company.presence.is_present(await signed_in(company, session))
    assert company.corp.used == ["r0"]


async def test_several_forms_at_once_need_one_check(company: Company) -> None:
    who = await signed_in(company, await company.arrive())
    company.clock.advance(FRESH)
    assert all(await asyncio.gather(*(decides(company, who) for _ in range(5))))
    assert company.corp.used == ["r0"]


async def test_a_session_without_a_refresh_token_is_not_checked(company: Company) -> None:
    company.corp.gives_refresh_tokens = False
    session = await company.arrive()
    company.corp.answer = DISABLED
    company.clock.advance(3600)
    await company.presence.step()
    assert await company.presence.is_present(await signed_in(company, session))


async def test_checks_that_are_turned_off_store_no_refresh_token(company: Company) -> None:
    company.corp.check_every = 0.0
    session = await company.arrive()
    company.clock.advance(3600)
    await company.presence.step()
    assert await company.presence.is_present(await signed_in(company, session))
    assert ((await signed_in(company, session)).session.renewal, company.corp.used) == ("", [])


async def test_a_token_that_was_sealed_with_another_code_key_is_forgotten(company: Company) -> None:
    session = await company.arrive()
    company.clock.advance(60)
    await company.server("another key").step()
    assert (await signed_in(company, session)).session.renewal == ""
    assert company.corp.used == []


async def test_a_name_of_a_session_that_is_too_long_counts_as_unknown(company: Company) -> None:
    company.corp.session_id = "s" * 1001
    assert (await signed_in(company, await company.arrive())).session.provider_session == ""

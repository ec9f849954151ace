"""A provider's logout call: it needs no session and comes from no page, and its token is its only proof."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from bootgrant.approval.transitions import GrantState
from bootgrant.wire.secret import Secret
from support.crooked_provider import CrookedProvider, crooked_provider
from support.office import Office, Person, text_of
from support.site import site_in_process

pytestmark = pytest.mark.anyio
ADDRESS = "/login/oidc/corp/logout"


@dataclass(slots=True)
class Company:
    """A site whose people sign in at ``provider``."""

    office: Office
    provider: CrookedProvider

    async def arrive(self) -> Person:
        """Return the browser of a person who signed in."""
        person = self.office.browser()
        away = await person.open("/login/oidc/corp")
        query = parse_qs(urlsplit(away.headers["location"]).query)
        self.provider.nonce = query["nonce"][0]
        back = await person.open(f"/login/oidc/corp/callback?code=c&state={query['state'][0]}")
        assert (back.status_code, back.headers["location"]) == (303, "/"), back.text
        return person

    async def call(self, token: Secret | str = "", address: str = ADDRESS) -> httpx2.Response:
        """Send a logout token as the provider does: without a page, a session, or a CSRF token."""
        text = token if isinstance(token, str) else token.reveal()
        async with self.office.site.client("10.9.9.9") as client:
            return await client.post(address, data={"logout_token": text})


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with crooked_provider() as provider:
        provider.claims = {"sid": "sid-1", "groups": ["admins"], "preferred_username": "ana"}
        settings = f"""
[operators]
confirm = "button"
[[oidc]]
id = "corp"
issuer = "{provider.issuer}"
client_id = "pages"
[[oidc.roles]]
group = "admins"
role = "admin"
"""
        with site_in_process(tmp_path, settings, clock=provider.clock) as site:
            yield Company(Office(site), provider)


async def approved(company: Company, person: Person) -> str:
    company.office.configure()
    grant, _ = await company.office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    done = await person.send(f"/requests/{grant.grant_id}/approve")
    assert done.status_code == 303, text_of(done)
    return grant.grant_id


async def state(company: Company, grant_id: str) -> GrantState:
    grant = await company.office.site.database.grants.find_grant(grant_id)
    assert grant is not None
    return grant.state


async def test_the_call_ends_the_session_and_voids_the_approval(company: Company) -> None:
    ana = await company.arrive()
    grant_id = await approved(company, ana)
    assert (await ana.open("/account")).status_code == 200
    answer = await company.call(company.provider.logout_token())
    assert (answer.status_code, answer.json(), answer.headers["cache-control"]) == (200, {}, "no-store")
    assert (await ana.open("/account")).headers["location"].startswith("/login?")
    assert await state(company, grant_id) is GrantState.VOID
    card = text_of(await (await company.office.person()).open(f"/requests/{grant_id}"))
    assert "The operator corp:ana was signed out at the provider corp" in card


async def test_a_sign_out_here_that_the_provider_confirms_keeps_the_approval(company: Company) -> None:
    ana = await company.arrive()
    grant_id = await approved(company, ana)
    await ana.open("/account")
    assert "Signed out here" in text_of(await ana.send("/logout"))
    assert (await company.call(company.provider.logout_token())).status_code == 200
    assert await state(company, grant_id) is GrantState.APPROVED


async def test_a_form_that_was_on_its_way_is_not_accepted_after_the_call(company: Company) -> None:
    ana = await company.arrive()
    company.office.configure()
    grant, _ = await company.office.machine()
    await ana.open(f"/requests/{grant.grant_id}")
    await company.call(company.provider.logout_token())
    late = await ana.send(f"/requests/{grant.grant_id}/approve")
    assert late.headers["location"].startswith("/login?")
    assert await state(company, grant.grant_id) is GrantState.PENDING


@pytest.mark.parametrize(
    "change", [{"aud": "other"}, {"nonce": "n"}, {"events": None}, {"iss": "https://evil.example"}]
)
async def test_a_wrong_token_is_answered_with_an_error_and_ends_nothing(
    company: Company, change: dict[str, object]
) -> None:
    ana = await company.arrive()
    answer = await company.call(company.provider.logout_token(**change))
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    assert answer.json()["error"] == "invalid_request"
    assert answer.json()["error_description"]
    assert (await ana.open("/account")).status_code == 200


async def test_what_is_not_a_logout_call_is_refused(company: Company) -> None:
    async with company.office.site.client("10.9.9.9") as client:
        assert (await client.post(ADDRESS)).status_code == 400
        assert (await client.post(ADDRESS, data={"logout_token": ""})).json()["error"] == "invalid_request"
        assert (await client.post(ADDRESS, json={"logout_token": "x"})).status_code == 400
        assert (await client.post(ADDRESS, data={"logout_token": "x" * 20_000})).status_code == 413
        assert (await client.get(ADDRESS)).status_code == 405
    unknown = await company.call(company.provider.logout_token(), "/login/oidc/lab/logout")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "invalid_request")


async def test_a_token_that_cannot_be_checked_now_may_come_again(company: Company) -> None:
    ana = await company.arrive()
    company.provider.clock.advance(700)
    token, company.provider.is_down = company.provider.logout_token(), True
    answer = await company.call(token)
    assert (answer.status_code, answer.json()["error"]) == (400, "temporarily_unavailable")
    company.provider.is_down = False
    company.provider.clock.advance(11)
    assert (await company.call(token)).status_code == 200
    assert (await ana.open("/account")).headers["location"].startswith("/login?")


async def test_refused_tokens_are_limited_and_right_ones_are_not(company: Company) -> None:
    for number in range(100):
        assert (await company.call(company.provider.logout_token(jti=str(number)))).status_code == 200
    ana = await company.arrive()
    assert [(await company.call("forged")).status_code for _ in range(60)] == [400] * 60
    refused = await company.call("forged")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (await company.call(company.provider.logout_token())).status_code == 200
    assert (await ana.open("/account")).headers["location"].startswith("/login?")
    company.provider.clock.advance(1)
    assert (await company.call("forged")).status_code == 400


async def test_the_log_names_refused_calls_within_their_limit(
    company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(70):
        await company.call("forged")
    lines = [record.getMessage() for record in caplog.records if "logout call" in record.getMessage()]
    assert len(lines) == 60
    assert lines[0].startswith("corp: a logout call from 10.9.9.9 is refused: ")


async def test_a_form_of_a_person_who_left_is_not_accepted(company: Company) -> None:
    """The provider is asked before the decision, because the last check is not fresh."""
    company.provider.more_tokens = {"refresh_token": "r", "refresh_expires_in": 1800}
    ana = await company.arrive()
    company.office.configure()
    grant, _ = await company.office.machine()
    await ana.open(f"/requests/{grant.grant_id}")
    company.provider.clock.advance(16)
    company.provider.token_status = 400
    company.provider.token_answer = b'{"error": "invalid_grant", "error_description": "User disabled"}'
    chore = next(each for each in company.office.site.built.chores if each.name == "checks before decisions")

    async def run() -> None:
        await chore.wait()
        await chore.step()

    running = asyncio.create_task(run())
    late = await ana.send(f"/requests/{grant.grant_id}/approve")
    await running
    assert late.headers["location"].startswith("/login?")
    assert await state(company, grant.grant_id) is GrantState.PENDING


async def test_a_sign_in_that_cannot_begin_is_listed_with_its_reason(company: Company) -> None:
    company.provider.metadata = {"issuer": "https://login.example/{tenantid}/v2.0"}
    page = await company.office.browser().open("/login/oidc/corp")
    assert page.status_code == 502
    assert "Refused sign-ins" in text_of(page)
    await company.office.site.built.decisions.refusals.step()
    listed = text_of(await (await company.office.person()).open("/audit/refused"))
    assert "{tenantid}/v2.0', which stands for the accounts of every tenant" in listed

"""A batch in Chromium: which machines are offered, what each row shows, and what the result says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.codes import display_user_code, session_digest
from bootgrant.approval.operators import VIA_SESSION, Role
from bootgrant.ports.people import Operator, Session
from bootgrant.wire.identity import MachineIdentity
from support.browser import ServedApp, chromium
from support.grants import CODES, NOW, UUID, other_machine, pending_grant
from support.layered_site import write_machines
from support.rack import PUBLIC_URL, SESSION
from support.site import InProcess, site_in_process

MODEL = """
entries:
  - {name: worker-1, match: {serial: SN0001}, labels: {role: worker}}
  - {name: worker-2, match: {serial: SN0002}, labels: {role: worker}}
  - {name: worker-3, match: {serial: SN0003}, labels: {role: worker}}
  - {name: worker-4, match: {serial: SN0004}, labels: {role: worker}}
  - {name: cp-2, match: {serial: SN0005}, labels: {role: worker}}
  - {name: pool, match: {mac: "52:54:00:*"}, labels: {role: worker}}
"""
POOLED = MachineIdentity(mac="52:54:00:00:00:01")
LIAR = MachineIdentity(serial="cp-2", hostname="cp-2")
CHANGED = MachineIdentity(UUID, "SN0004", "52:00:00:00:00:09")
BEFORE = MachineIdentity(UUID, "SN0004", "52:00:00:00:00:04")
ALIKE = MachineIdentity(serial="SN0003", mac="52:00:00:00:00:03")
NONE = "\u2013"
"""What a row shows for a variable that the machine did not report."""


class Site:
    """A site with machines of every kind waiting, and its pages in a browser."""

    def __init__(self, site: InProcess, served: ServedApp) -> None:
        self.site = site
        self.served = served
        self.codes: dict[str, str] = {}

    async def fill(self) -> None:
        """Sign an operator in, note an earlier delivery, and open the requests."""
        operators = self.site.database.operators
        await operators.add_operator(Operator("ana", "", NOW, role=Role.APPROVER))
        await operators.open_session(Session(session_digest(SESSION), "ana", NOW, NOW, NOW, VIA_SESSION))
        event = AuditEvent(
            NOW - 9000, AuditKind.DELIVERED, grant_id="old", identity=BEFORE, address="10.20.0.4", entry="worker-4"
        )
        await self.site.database.audit.append([event])
        machines = (other_machine(1), other_machine(2), other_machine(3), ALIKE, CHANGED, POOLED, LIAR)
        for identity in machines:
            grant, _ = pending_grant(identity=identity, opened_at=NOW)
            await self.site.database.grants.open_grant(grant)
            self.codes[str(identity)] = display_user_code(CODES.of_grant(grant.grant_id))

    async def states(self) -> dict[str, str]:
        """Return the state of each request, by what its machine reports."""
        cards = self.site.built.decisions.decide.cards
        found = {identity: await cards.look_up(code) for identity, code in self.codes.items()}
        return {identity: card.state.value for identity, card in found.items() if card}


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_in_process(tmp_path_factory.mktemp("batch")) as made, ServedApp(made.built.public) as served:
        write_machines(made.machines, {"machines.yaml": MODEL})
        made.built.source.current.refresh()
        filled = Site(made, served)
        served.run(filled.fill)
        yield filled


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with chromium(f"MAP boot.example:8080 127.0.0.1:{site.served.port}") as running:
        yield running


@pytest.fixture(params=[(390, 844), (1280, 800)], ids=["phone", "desk"])
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    width, height = request.param
    made = browser.new_context(viewport={"width": width, "height": height})
    made.set_default_timeout(20_000)
    made.add_cookies([{"name": "bootgrant", "value": SESSION.reveal(), "url": PUBLIC_URL}])
    yield made
    made.close()


def words(page: Page, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(selector).all_inner_texts()]


def test_a_batch_approves_exactly_the_machines_that_can_be_distinguished(site: Site, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{PUBLIC_URL}/")
    rows = words(page, ".row")
    assert len({re.sub(r"\d+:\d\d", "", row) for row in rows}) == len(rows) == 7
    page.get_by_role("link", name="Approve 2 expected").click()
    assert page.get_by_role("checkbox").count() == 2
    for number in (1, 2):
        row = page.locator(".row", has=page.get_by_label(f"worker-{number}"))
        expect(row).to_contain_text(f"SN000{number}")
        expect(row).to_contain_text("10.20.0.11")
    others = page.locator("section", has_text="Not in this list: 4")
    expect(others.get_by_role("link", name="pool")).to_be_visible()
    expect(others.get_by_text("It is only matched by pattern (mac 52:54:00:*)")).to_be_visible()
    expect(others.get_by_text("Hard to distinguish from another request")).to_have_count(2)
    page.get_by_label("worker-2").uncheck()
    page.get_by_role("button", name="Approve these machines").click()
    page.get_by_role("heading", name="1 approved").wait_for()
    [result] = words(page, ".choices li")
    assert result.endswith(f"worker-1 serial SN0001 MAC {NONE} UUID {NONE} 10.20.0.11")
    states = site.served.run(site.states)
    assert [identity for identity, state in states.items() if state == "approved"] == ["serial=SN0001"]


def test_a_machine_decided_meanwhile_is_named_with_the_reason(site: Site, context: BrowserContext) -> None:
    page, other = context.new_page(), context.new_page()
    page.goto(f"{PUBLIC_URL}/batch")
    other.goto(f"{PUBLIC_URL}/")
    other.get_by_role("link", name="worker-2").click()
    other.get_by_text("Deny…").click()
    other.get_by_role("button", name="Deny this machine").click()
    other.get_by_role("heading", name="Denied").wait_for()
    page.get_by_role("button", name="Approve these machines").click()
    page.get_by_role("heading", name="1 approved").wait_for()
    refused, approved = words(page, ".choices li")
    assert "worker-2 serial SN0002" in refused
    assert "Already denied by ana" in refused
    assert "worker-1 serial SN0001" in approved


def test_a_pattern_match_is_approved_on_its_card_with_its_own_characters(site: Site, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{PUBLIC_URL}/batch")
    page.get_by_role("link", name="pool").click()
    expect(page.locator("[data-part=standing]")).to_have_text(re.compile("Matched by pattern"))
    page.get_by_role("button", name="Approve").click()
    assert site.served.run(site.states)[str(POOLED)] == "pending"
    page.get_by_label("Last four characters").fill(site.codes[str(POOLED)][-4:])
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Approved").wait_for()


def test_a_machine_that_differs_from_the_delivered_one_shows_old_and_new(site: Site, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{PUBLIC_URL}/")
    page.get_by_role("link", name="worker-4").click()
    expect(page.locator("[data-part=standing]")).to_have_text(re.compile("Mismatch"))
    assert words(page, ".changes tr") == ["Delivered to Now", f"MAC {BEFORE.mac} {CHANGED.mac}"]
    box = page.locator(".changes").bounding_box()
    assert box is not None
    assert page.viewport_size is not None
    assert box["y"] + box["height"] < page.viewport_size["height"]


def test_a_machine_that_calls_itself_like_an_entry_has_no_name(site: Site, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{PUBLIC_URL}/")
    assert page.get_by_role("link", name="cp-2").count() == 0
    row = page.locator(".row", has=page.locator(".row-serial", has_text="cp-2"))
    expect(row.locator(".row-name")).to_have_text(re.compile("Unknown machine"))
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Unknown machine")

"""Links and pages of an attacker in Chromium: none of them proves that a person looked at the machine's screen."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import Answer
from support.browser import ServedApp, chromium
from support.site import CONFIG, Served, served

SUFFIX = "Last four characters"


@dataclass(frozen=True, slots=True)
class Lure:
    """A request that an attacker opened, and everything that the attacker knows about it."""

    site: Served
    code: str
    grant_id: str

    @property
    def end(self) -> str:
        return self.code[-4:]

    @property
    def state(self) -> str:
        waiting = json.loads(self.site.command("pending", "--json").stdout)["pending"]
        return "pending" if any(row["id"] == self.grant_id for row in waiting) else "decided"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("phishing")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def session(site: Served, browser: Browser) -> StorageState:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(site.url)
        sign_in(page, site)
        page.get_by_role("link", name="Code", exact=True).wait_for()
        return context.storage_state()


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def context(browser: Browser, session: StorageState, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """The browser of a signed-in operator."""
    made = browser.new_context(storage_state=session, java_script_enabled=request.param)
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def lure(site: Served) -> Lure:
    name = str(uuid.uuid4())
    (site.machines / f"{name}.yaml").write_text(CONFIG)
    form = {"client_id": "talos", "uuid": name}
    codes = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    waiting = json.loads(site.command("pending", "--json").stdout)["pending"]
    return Lure(site, codes["user_code"], next(row["id"] for row in waiting if row["code"] == codes["user_code"]))


def sign_in(page: Page, site: Served) -> None:
    page.get_by_label("Name").fill(site.made.operator)
    page.get_by_label("Password", exact=True).fill(site.made.password.reveal())
    page.get_by_role("button", name="Sign in").first.click()


def links(lure: Lure) -> list[str]:
    """Return links to a card that carry all that an attacker could know."""
    proof = "A" * 43
    return [
        f"/d/{lure.code}",
        f"/d/{lure.code}?suffix={lure.end}&typed={proof}",
        f"/requests/{lure.grant_id}",
        f"/requests/{lure.grant_id}?suffix={lure.end}",
        f"/requests/{lure.grant_id}?suffix={lure.code}&code={lure.code}&typed={lure.code}",
        f"/requests/{lure.grant_id}?typed={proof}&suffix={lure.end}#suffix={lure.end}",
    ]


def asks_for_the_characters(page: Page) -> None:
    """The four boxes are there and empty, and a press of the button approves nothing."""
    field = page.get_by_label(SUFFIX)
    assert field.input_value() == ""
    page.get_by_role("button", name="Approve").click()
    assert field.is_visible()
    # The browser holds the form back; the server refuses it too.
    page.locator("form.approve").evaluate("form => { form.noValidate = true; }")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("alert").get_by_text("Type the last four characters").wait_for()


def test_no_link_fills_in_the_last_four_characters(lure: Lure, context: BrowserContext) -> None:
    page = context.new_page()
    for link in links(lure):
        page.goto(f"{lure.site.url}{link}")
        asks_for_the_characters(page)
    assert lure.state == "pending"


def test_no_link_fills_in_the_code(lure: Lure, context: BrowserContext) -> None:
    page = context.new_page()
    for link in (f"/device?code={lure.code}", f"/device?code={lure.code}&typed={lure.code}#code={lure.code}"):
        page.goto(f"{lure.site.url}{link}")
        field = page.get_by_label("Code")
        assert field.input_value() == ""
        page.get_by_role("button", name="Continue").click()
        assert field.is_visible()
        assert page.url == f"{lure.site.url}{link}"
    assert lure.state == "pending"


@pytest.mark.parametrize("number", range(3))
def test_a_sign_in_on_the_way_fills_in_nothing(lure: Lure, browser: Browser, number: int) -> None:
    link = (f"/device?code={lure.code}", f"/requests/{lure.grant_id}?suffix={lure.end}", f"/d/{lure.code}")[number]
    for address in (link, f"/login?next={quote(link, safe='')}"):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{lure.site.url}{address}")
            sign_in(page, lure.site)
            if number == 0:
                page.get_by_role("heading", name="Enter the code").wait_for()
                assert page.get_by_label("Code").input_value() == ""
            else:
                page.get_by_label(SUFFIX).wait_for()
                asks_for_the_characters(page)
    assert lure.state == "pending"


def test_a_form_of_another_site_proves_nothing(lure: Lure, context: BrowserContext) -> None:
    """The attacker's page is on the same host, so that the browser sends the session with its forms."""
    forms = {
        "/code": ("/device", {"code": lure.code}),
        "/approve": (f"/requests/{lure.grant_id}/approve", {"suffix": lure.end, "seen": ""}),
    }

    async def evil(scope: Scope, _receive: Receive, send: Send) -> None:
        action, fields = forms.get(scope["path"], ("/device", {}))
        inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
        body = f'<form method="post" action="{lure.site.url}{action}">{inputs}<button>Win a prize</button></form>'
        await Answer(200, body.encode(), ((b"content-type", b"text/html"),)).send(send)

    page = context.new_page()
    with ServedApp(evil) as attacker:
        for path in forms:
            page.goto(f"http://127.0.0.1:{attacker.port}{path}")
            page.get_by_role("button", name="Win a prize").click()
            page.get_by_role("heading", name="This form did not come from this site").wait_for()
    page.goto(f"{lure.site.url}/requests/{lure.grant_id}")
    asks_for_the_characters(page)
    assert lure.state == "pending"


def test_a_code_typed_by_hand_is_a_proof_for_the_session_that_typed_it(
    lure: Lure, context: BrowserContext, browser: Browser
) -> None:
    page = context.new_page()
    page.goto(f"{lure.site.url}/device")
    page.get_by_label("Code").fill(lure.code.lower())
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Approve").wait_for()
    assert page.get_by_label(SUFFIX).count() == 0
    with browser.new_context() as other:
        passed_on = other.new_page()
        passed_on.goto(page.url)
        sign_in(passed_on, lure.site)
        passed_on.get_by_label(SUFFIX).wait_for()
        asks_for_the_characters(passed_on)
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Approved").wait_for()
    assert lure.state == "decided"


def test_a_denial_is_taken_back_from_the_queue_and_the_machine_asks_at_once(
    lure: Lure, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{lure.site.url}/requests/{lure.grant_id}")
    page.get_by_text("Deny…").click()
    page.get_by_role("button", name="Deny this machine").click()
    page.get_by_text("it is refused automatically").wait_for()
    page.get_by_role("link", name="Waiting machines").click()
    row = page.get_by_role("listitem").filter(has_text=lure.code)
    row.get_by_role("button", name="Take back the denial").click()
    page.wait_for_url(f"{lure.site.url}/")
    assert page.get_by_role("listitem").filter(has_text=lure.code).count() == 0

"""Pages that update without a reload: the list, a card, and the outcome of a decision."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState

from support.browser import chromium
from support.site import CONFIG, Served, served

COUNT_HANDS = """addEventListener("click", (e) => { if (e.isTrusted) count("taps"); }, true);
addEventListener("keydown", (e) => { if (e.isTrusted) count("keys"); }, true);
function count(what) { sessionStorage[what] = Number(sessionStorage[what] || 0) + 1; }"""
FIRST_PAINT = 'performance.getEntriesByType("paint").find((entry) => entry.name === "first-paint")?.startTime'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("live")) as running:
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
        page.get_by_label("Name").fill(site.made.operator)
        page.get_by_label("Password", exact=True).fill(site.made.password.reveal())
        page.get_by_role("button", name="Sign in").first.click()
        page.get_by_role("link", name="Code", exact=True).wait_for()
        return context.storage_state()


@pytest.fixture(params=["phone", "desk"])
def context(browser: Browser, session: StorageState, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    width, height = {"phone": (390, 844), "desk": (1280, 800)}[request.param]
    made = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=request.param == "phone", storage_state=session
    )
    made.set_default_timeout(20_000)
    yield made
    made.close()


def request_configuration(site: Served, *, expected: bool = True) -> dict[str, str]:
    """Request a configuration for a new machine. Return the codes and the machine's uuid."""
    name = str(uuid.uuid4())
    if expected:
        (site.machines / f"{name}.yaml").write_text(CONFIG)
    form = {"client_id": "talos", "uuid": name}
    codes = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    return {**codes, "uuid": name}


def download(site: Served, machine: dict[str, str], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Exchange the approved code, and download as the machine does."""
    form = {
        "client_id": "talos",
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": machine["device_code"],
    }
    with httpx2.Client(base_url=site.url, trust_env=False, timeout=30) as client:
        token = client.post("/token", data=form).json()["access_token"]
        meanwhile()
        client.get("/config", headers={"authorization": f"Bearer {token}"}).raise_for_status()


def decide(site: Served, machine: dict[str, str], verb: str) -> None:
    done = site.command(verb, machine["user_code"], *(["--reason", "not today"] if verb == "deny" else []))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_an_approval_takes_two_taps_and_four_characters(
    site: Served, browser: Browser, session: StorageState, size: str, record_property: Callable[[str, object], None]
) -> None:
    machine = request_configuration(site)
    width, height = {"phone": (390, 844), "desk": (1280, 800)}[size]
    with browser.new_context(
        viewport={"width": width, "height": height}, has_touch=size == "phone", storage_state=session
    ) as context:
        context.add_init_script(COUNT_HANDS)
        page = context.new_page()
        page.goto(site.url)
        page.get_by_role("link", name=machine["uuid"]).click()
        page.get_by_label("Last four characters").wait_for()
        record_property(f"first paint of the card, {size} (ms)", page.evaluate(FIRST_PAINT))
        page.evaluate("sessionStorage.clear()")
        page.get_by_label("Last four characters").click()
        page.keyboard.type(machine["user_code"][-4:])
        page.get_by_role("button", name="Approve").click()
        page.get_by_role("heading", name="Approved").wait_for()
        assert page.evaluate("({...sessionStorage})") == {"taps": "2", "keys": "4"}
        download(site, machine)
        page.get_by_role("heading", name="Delivered").wait_for()
        page.get_by_role("link", name="Waiting machines").click()
        page.wait_for_url(f"{site.url}/")


def test_a_new_machine_appears_in_the_list_and_is_announced(site: Served, context: BrowserContext) -> None:
    first, page = request_configuration(site), context.new_page()
    page.goto(site.url)
    page.get_by_role("link", name=first["uuid"]).wait_for()
    second = request_configuration(site)
    page.get_by_role("link", name=second["uuid"]).wait_for()
    assert "new machine waiting" in page.locator("#said").inner_text()


def test_a_scrolled_list_does_not_move_until_new_rows_are_requested(site: Served, context: BrowserContext) -> None:
    for _ in range(20):
        request_configuration(site)
    page = context.new_page()
    page.goto(site.url)
    page.evaluate("scrollTo(0, 400)")
    before = page.locator(".queue .row").count()
    late = request_configuration(site)
    page.get_by_role("button", name="1 new").wait_for()
    assert page.locator(".queue .row").count() == before
    page.get_by_role("button", name="1 new").click()
    page.get_by_role("link", name=late["uuid"]).wait_for()
    assert page.evaluate("scrollY") == 0


def test_a_machine_decided_by_another_operator_stays_in_its_place_marked(site: Served, context: BrowserContext) -> None:
    machine, page = request_configuration(site), context.new_page()
    page.goto(site.url)
    row = page.locator(".row", has=page.get_by_role("link", name=machine["uuid"]))
    row.hover()
    decide(site, machine, "deny")
    row.get_by_text("no longer waiting").wait_for()


def test_a_card_shows_the_decision_of_another_operator_immediately(site: Served, context: BrowserContext) -> None:
    machine, page = request_configuration(site), context.new_page()
    page.goto(machine["verification_uri_complete"])
    page.get_by_label("Last four characters").fill("BB")
    decide(site, machine, "deny")
    page.get_by_role("heading", name="Denied").wait_for()
    assert page.locator("#said").inner_text().endswith("Denied")
    assert page.get_by_text("not today").is_visible()
    page.get_by_role("button", name="Take back the denial").wait_for()
    done = site.command("undeny", machine["user_code"])
    assert done.returncode == 0, done.stderr
    page.get_by_text("taken back by").wait_for()
    assert page.get_by_role("button", name="Take back the denial").count() == 0


def test_after_the_approval_the_page_follows_the_delivery(site: Served, context: BrowserContext) -> None:
    machine, page = request_configuration(site), context.new_page()
    page.goto(machine["verification_uri_complete"])
    page.get_by_label("Last four characters").fill(machine["user_code"][-4:])
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Approved").wait_for()
    download(site, machine, lambda: page.get_by_role("heading", name="Downloading").wait_for())
    page.get_by_role("heading", name="Delivered").wait_for()


def test_pasted_text_is_reduced_to_its_last_four_letters(site: Served, context: BrowserContext) -> None:
    machine, page = request_configuration(site), context.new_page()
    page.goto(machine["verification_uri_complete"])
    boxes = page.get_by_label("Last four characters")
    for pasted in ("wdjb-mjht", "mj ht", "  WDJBMJHT\n", "mjht"):
        boxes.evaluate(
            """(field, text) => {
              const data = new DataTransfer();
              data.setData("text", text);
              field.value = "";
              field.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
            }""",
            pasted,
        )
        assert boxes.input_value() == "MJHT"


def test_several_expected_machines_can_be_approved_together(site: Served, context: BrowserContext) -> None:
    machines, page = [request_configuration(site) for _ in range(3)], context.new_page()
    page.goto(site.url)
    page.get_by_role("link", name="expected…").click()
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    for machine in machines:
        page.get_by_label(machine["uuid"]).check()
    page.get_by_role("button", name="Approve these machines").click()
    page.get_by_role("heading", name="3 approved").wait_for()


def test_a_page_whose_session_has_ended_says_that_it_is_not_updated(site: Served, context: BrowserContext) -> None:
    machine, page = request_configuration(site), context.new_page()
    page.goto(site.url)
    page.get_by_role("link", name=machine["uuid"]).wait_for()
    context.clear_cookies()
    request_configuration(site)
    page.get_by_text("no longer updated").wait_for()


def test_many_simultaneous_requests_all_appear(site: Served, context: BrowserContext) -> None:
    request_configuration(site)
    page, other = context.new_page(), context.new_page()
    for each in (page, other):
        each.goto(site.url)
    page.bring_to_front()
    machines = [request_configuration(site) for _ in range(12)]
    for machine in machines:
        page.get_by_role("link", name=machine["uuid"]).wait_for()

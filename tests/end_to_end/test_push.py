"""The phone, with a server, a push service of the tests, and Chromium: from a request to its approval."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, Worker

from support.axe import violations
from support.browser import chromium
from support.certificates import Authority
from support.grants import MAC, UUID
from support.push_service import Phone, PushService, hanging
from support.site import Served, served, wait_until

PHONE: ViewportSize = {"width": 390, "height": 844}
SETTINGS = 'name = "fra production"\nservices = ["127.0.0.1"]\nallow_private = true'
# A push service of a browser cannot be reached from the tests: this is what it would answer.
SUBSCRIBE = """
PushManager.prototype.subscribe = async function (options) {
  window.subscribedFor = new Uint8Array(options.applicationServerKey);
  return { endpoint: "%(endpoint)s", toJSON() { return { endpoint: this.endpoint, keys: %(keys)s }; },
           unsubscribe: async () => true };
};
"""
SHOWN = """async () => {
  const { ready } = navigator.serviceWorker;
  return (await (await ready).getNotifications()).map(({ title, body }) => [title, body]);
}"""
THIS = ".device:has([data-push-this]:not([hidden]))"
IPHONE = """
Object.defineProperty(navigator, "userAgent", { get: () => "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)" });
delete window.PushManager;
"""
PAINTS = "performance.getEntriesByName('first-contentful-paint')"
TAP = 1.2
"""Seconds in which a person finds and taps something on a phone, with one hand."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushService]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with PushService(authority.server("IP:127.0.0.1")) as running:
        running.trust = {"SSL_CERT_FILE": str(authority.certificate)}
        yield running


@pytest.fixture(scope="module")
def site(service: PushService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("site")
    with served(folder, settings=SETTINGS, variables=service.trust) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Served) -> Iterator[Browser]:
    assert site.url, "a site is made before the browser's loop runs"
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def state(browser: Browser, site: Served) -> StorageState:
    """The cookies of the operator, after signing in."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site.url}/account")
        page.get_by_label("Name").fill(site.made.operator)
        page.get_by_label("Password").fill(site.made.password.reveal())
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Push messages").wait_for()
        return context.storage_state()


@dataclass(frozen=True, slots=True)
class Hand:
    """Opens the account page on phones of the operator."""

    browser: Browser
    url: str
    state: StorageState

    @contextmanager
    def holding(self, phone: Phone | None = None, *, script: str = "") -> Iterator[Page]:
        """Yield the account page in a browser that has this subscription, after ``script`` has run in it."""
        with self.browser.new_context(viewport=PHONE, has_touch=True, storage_state=self.state) as context:
            context.set_default_timeout(20_000)
            context.grant_permissions(["notifications"], origin=self.url)
            if phone is not None:
                keys = json.dumps({"p256dh": phone.p256dh, "auth": phone.form["auth"]})
                context.add_init_script(SUBSCRIBE % {"endpoint": phone.endpoint, "keys": keys})
            if script:
                context.add_init_script(script)
            page = context.new_page()
            page.goto(f"{self.url}/account")
            page.get_by_role("heading", name="Push messages").wait_for()
            yield page


@pytest.fixture
def hand(browser: Browser, site: Served, state: StorageState) -> Hand:
    return Hand(browser, site.url, state)


def turned_on(page: Page) -> None:
    page.get_by_role("button", name="Turn on for this device").click()
    page.get_by_text("Push messages are on for this device.").wait_for()


def ask(site: Served, **claims: str) -> dict[str, Any]:
    """Ask for a configuration as a machine does, and return its codes."""
    form = {"client_id": "talos", **claims}
    codes: dict[str, Any] = (
        httpx2.post(f"{site.url}/device/code", data=form, trust_env=False, timeout=30).raise_for_status().json()
    )
    return codes


def worker_of(context: BrowserContext) -> Worker:
    wait_until(lambda: context.service_workers, "the service worker runs")
    return context.service_workers[0]


def deliver(page: Page, site: Served, note: dict[str, Any]) -> None:
    """Hand a decrypted message to the service worker, as the browser does."""
    found: list[str] = []
    session = page.context.new_cdp_session(page)
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: found.extend(each["registrationId"] for each in event["registrations"]),
    )
    session.send("ServiceWorker.enable")
    page.wait_for_function("() => navigator.serviceWorker.ready")
    wait_until(lambda: bool(found) or page.evaluate("1") == 0, "the registration is known")
    session.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": site.url, "registrationId": found[0], "data": json.dumps(note)},
    )


def test_a_machine_is_approved_from_a_locked_phone(site: Served, service: PushService, hand: Hand) -> None:
    phone = service.phone("journey")
    with hand.holding(phone) as page:
        turned_on(page)
        before = len(service.messages)
        codes = ask(site, uuid=UUID, mac=MAC)
        note = service.came(before + 1).note
        assert note["title"] == f"fra production: {UUID}.yaml"
        assert note["body"] == "Expected, 127.0.0.1."
        deliver(page, site, note)
        wait_until(lambda: page.evaluate(SHOWN), "the phone shows the message")
        assert page.evaluate(SHOWN) == [[note["title"], note["body"]]]

        # The tap, in the worker. Without a person's hand a browser opens no window: what it would open is noted.
        opened = worker_of(page.context).evaluate(
            """async () => {
              let opened = "";
              self.clients.matchAll = async () => [];
              self.clients.openWindow = async (target) => { opened = target; };
              const [notification] = await self.registration.getNotifications();
              self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
              await new Promise((resolve) => setTimeout(resolve, 0));
              return [opened, (await self.registration.getNotifications()).length];
            }"""
        )
        assert opened == [f"{site.url}{note['link']}", 0]
        taps, began = 1, time.monotonic()
        page.goto(opened[0])
        # Not wait_for_function, whose second look is an eval that the pages' policy forbids.
        wait_until(lambda: page.evaluate(f"{PAINTS}.length"), "the card is painted")
        painted = page.evaluate(f"{PAINTS}[0].startTime")
        field = page.get_by_label("Last four characters")
        letters = codes["user_code"][-4:]
        field.press_sequentially(letters, delay=350)
        page.get_by_role("button", name="Approve").tap()
        taps += 1
        page.get_by_role("heading", name="Approved").wait_for()
        seconds = time.monotonic() - began + taps * TAP
        print(
            f"from the tap on the push to approved: {taps} taps, {len(letters)} characters, {seconds:.1f} s; ", end=""
        )
        print(f"first paint after {painted:.0f} ms")
        assert (taps, len(letters)) == (2, 4)
        assert seconds < 10


def test_the_pages_are_installable_under_the_name_of_the_site(hand: Hand) -> None:
    with hand.holding() as page:
        worker_of(page.context)
        session = page.context.new_cdp_session(page)
        found = session.send("Page.getAppManifest")
        assert found["errors"] == []
        manifest = json.loads(found["data"])
        assert (manifest["name"], manifest["start_url"], manifest["display"]) == (
            "bootgrant · fra production", "/", "standalone",
        )  # fmt: skip
        errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
        # Contexts of the tests are like private windows, in which nothing can be installed.
        assert [error["errorId"] for error in errors] == ["in-incognito"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_push_is_turned_on(hand: Hand, scheme: Literal["light", "dark"]) -> None:
    with hand.holding() as page:
        page.emulate_media(color_scheme=scheme)
        page.locator("[data-push-on] summary").click()
        assert violations(page) == []


def test_without_a_connection_the_phone_says_so_and_has_kept_nothing(site: Served, hand: Hand) -> None:
    with hand.holding() as page:
        worker_of(page.context)
        wait_until(lambda: page.evaluate("navigator.serviceWorker.controller !== null"), "the worker has the page")
        assert page.evaluate("caches.keys()") == []
        page.context.set_offline(True)
        page.goto(f"{site.url}/requests/abc")
        page.get_by_role("heading", name="No connection to bootgrant").wait_for()
        page.context.set_offline(False)
        page.get_by_role("link", name="Try again").click()
        page.get_by_role("heading", name="Request not found").wait_for()
        assert page.get_by_text("No connection to bootgrant").count() == 0


def test_a_browser_whose_push_service_cannot_be_reached_explains_that(hand: Hand) -> None:
    with hand.holding() as page:
        refused = "Promise.reject(new DOMException('', 'AbortError'))"
        page.evaluate(f"() => {{ PushManager.prototype.subscribe = () => {refused}; }}")
        page.get_by_role("button", name="Turn on for this device").click()
        page.get_by_text("The browser could not reach its push service (AbortError).").wait_for()


def test_a_browser_that_blocks_notifications_explains_how_to_allow_them(hand: Hand) -> None:
    with hand.holding(script="Object.defineProperty(Notification, 'permission', { get: () => 'denied' })") as page:
        page.get_by_text("Notifications from this site are blocked").wait_for()
        assert page.get_by_role("button", name="Turn on for this device").count() == 0


def test_an_iphone_explains_to_install_first(hand: Hand) -> None:
    with hand.holding(script=IPHONE) as page:
        page.get_by_text("first add bootgrant to the home screen").wait_for()


def test_this_device_is_marked_tested_and_turned_off(service: PushService, hand: Hand) -> None:
    phone = service.phone("device")
    with hand.holding(phone) as page:
        kept = f"{{ endpoint: '{phone.endpoint}', unsubscribe: async () => true }}"
        page.add_init_script(f"PushManager.prototype.getSubscription = async () => ({kept})")
        turned_on(page)
        device = page.locator(THIS)
        device.wait_for()
        assert page.get_by_role("button", name="Turn on for this device").count() == 0
        before = len(service.messages)
        device.get_by_text("Send a test").click()
        page.get_by_text("The push service has accepted the test.").wait_for()
        assert service.came(before + 1).note["body"] == "This is a test. No machine is waiting."
        page.locator(THIS).get_by_text("Turn off").click()
        page.get_by_text("Push messages are off for that device.").wait_for()
        assert page.locator(THIS).count() == 0


def test_a_push_service_that_hangs_delays_neither_machines_nor_other_phones(
    site: Served, service: PushService, hand: Hand
) -> None:
    slow, quick, over = service.phone("slow"), service.phone("quick"), threading.Event()
    for phone in (slow, quick):
        with hand.holding(phone) as page:
            turned_on(page)
    service.answer_next(slow, *(hanging(over) for _ in range(20)))
    before = len(service.messages)
    began = time.monotonic()
    ask(site, uuid=UUID, mac=MAC, hostname="again")
    assert time.monotonic() - began < 9
    wait_until(lambda: quick in [message.phone for message in service.messages[before:]], "the other phone has it")
    over.set()
    assert slow not in [message.phone for message in service.messages[before:]]


def test_the_server_keeps_no_address_of_a_phone_in_clear(site: Served, service: PushService, hand: Hand) -> None:
    phone = service.phone("capability-of-a-phone")
    with hand.holding(phone) as page:
        turned_on(page)
        assert "capability-of-a-phone" not in page.content()
    stored = b"".join(file.read_bytes() for file in (site.folder / "data").glob("bootgrant.sqlite3*"))
    assert b"127.0.0.1" in stored
    for secret in ("capability-of-a-phone", phone.form["auth"], phone.p256dh):
        assert secret.encode() not in stored
        assert secret not in site.log

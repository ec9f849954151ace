"""What makes the pages installable, and push messages on the account page: a person's own devices and nobody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootgrant.approval.operators import Role
from bootgrant.approval.push import parse_selectors
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.push import PushDevice
from bootgrant.workflows.people.push_devices import MOST_DEVICES
from support.answering_server import http
from support.certificates import Authority
from support.office import Office, Person, text_of
from support.push_service import PushService
from support.site import site_in_process

pytestmark = pytest.mark.anyio
SETTINGS = ("[site]", 'name = "fra production"', "[push]", 'services = ["127.0.0.1"]', "allow_private = true")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def phone_office(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with site_in_process(tmp_path, *SETTINGS) as site:
        yield Office(site)


@pytest.fixture
def service(phone_office: Office, authority: Authority) -> Iterator[PushService]:
    with PushService(authority.server("IP:127.0.0.1"), phone_office.site.clock.now) as running:
        yield running


async def turn_on(person: Person, service: PushService, name: str = "phone", **fields: str) -> None:
    await person.open("/account")
    page = await person.send("/account/push/on", **service.phone(name).form, **fields)
    assert (page.status_code, page.headers["location"]) == (303, "/account?push=on#push"), text_of(page)


async def devices(office: Office) -> list[PushDevice]:
    return list(await office.site.database.push_devices.devices())


async def test_the_manifest_names_the_site_and_its_icons_exist(phone_office: Office) -> None:
    browser = phone_office.browser()
    page = await browser.open("/login")
    assert '<link rel="manifest" href="/manifest.webmanifest">' in page.text
    answer = await browser.open("/manifest.webmanifest")
    assert answer.headers["content-type"] == "application/manifest+json"
    manifest = json.loads(answer.text)
    assert (manifest["name"], manifest["short_name"]) == ("bootgrant · fra production", "fra production")
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/", "/", "standalone")
    [apple] = re.findall(r'rel="apple-touch-icon" href="([^"]+)"', page.text)
    for icon in (*manifest["icons"], {"src": apple, "sizes": "192x192"}):
        image = (await browser.open(icon["src"])).content
        width, height = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
        assert (image[:8], f"{width}x{height}") == (b"\x89PNG\r\n\x1a\n", icon["sizes"])
    kinds = {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]}
    assert kinds == {(size, purpose) for size in ("192x192", "512x512") for purpose in ("any", "maskable")}


async def test_the_service_worker_is_always_checked_and_keeps_nothing(phone_office: Office) -> None:
    answer = await phone_office.browser().open("/worker.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache"
    assert "worker-src 'self'; manifest-src 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r"caches|indexedDB|approve|csrf", answer.text)


async def test_a_device_is_turned_on_with_its_choices_and_recorded(phone_office: Office, service: PushService) -> None:
    ana = await phone_office.person()
    await turn_on(ana, service, known="on", second="on", selectors="site=fra,role=worker rack4-*")
    [device] = await devices(phone_office)
    wishes = device.wishes
    assert (device.operator, device.service) == ("ana", "127.0.0.1")
    assert (wishes.known, wishes.unknown, wishes.second) == (True, False, True)
    assert wishes.selectors == parse_selectors("site=fra,role=worker rack4-*")
    page = await ana.open("/account?push=on")
    assert "Push messages are on for this device." in text_of(page)
    assert "site=fra,role=worker rack4-*" in page.text
    [event] = [record.event for record in await phone_office.site.database.audit.newest(AuditFilter(), 5)]
    assert (event.kind.value, event.actor) == ("operator-changed", "ana")
    assert event.details["done"] == "turned on push messages for a device at 127.0.0.1"


async def test_a_test_arrives_and_is_shown_as_the_last_message(phone_office: Office, service: PushService) -> None:
    ana = await phone_office.person()
    await turn_on(ana, service)
    [device] = await devices(phone_office)
    assert "no message yet" in text_of(await ana.open("/account"))
    answer = await ana.send("/account/push/test", device=device.device_id)
    assert answer.headers["location"] == "/account?push=sent#push"
    [message] = service.messages
    assert message.note["title"] == "fra production"
    assert "last message" in text_of(await ana.open("/account"))


async def test_a_test_that_fails_says_why(phone_office: Office, service: PushService) -> None:
    ana = await phone_office.person()
    await turn_on(ana, service)
    [device] = await devices(phone_office)
    service.answer_next(service.phones["/send/phone"], http(503), http(410))
    failed = await ana.send("/account/push/test", device=device.device_id)
    assert (failed.status_code, "127.0.0.1 answered 503" in text_of(failed)) == (400, True)
    assert "127.0.0.1 answered 503" in text_of(await ana.open("/account"))
    gone = await ana.send("/account/push/test", device=device.device_id)
    assert "does not know the device any more" in text_of(gone)
    assert await devices(phone_office) == []


async def test_the_choices_of_a_device_can_be_changed(phone_office: Office, service: PushService) -> None:
    ana = await phone_office.person()
    await turn_on(ana, service, known="on")
    [device] = await devices(phone_office)
    answer = await ana.send("/account/push/change", device=device.device_id, unknown="on", selectors="")
    assert answer.headers["location"] == "/account?push=changed#push"
    [changed] = await devices(phone_office)
    assert (changed.wishes.known, changed.wishes.unknown) == (False, True)
    bad = await ana.send("/account/push/change", device=device.device_id, selectors="site=")
    assert (bad.status_code, "has a label without a name or value" in text_of(bad)) == (400, True)


async def test_turning_off_forgets_the_device_and_is_recorded(phone_office: Office, service: PushService) -> None:
    ana = await phone_office.person()
    await turn_on(ana, service)
    [device] = await devices(phone_office)
    for _ in range(2):
        await ana.send("/account/push/off", device=device.device_id)
    assert await devices(phone_office) == []
    done = [record.event.details["done"] for record in await phone_office.site.database.audit.newest(AuditFilter(), 5)]
    assert done == [f"turned {how} push messages for a device at 127.0.0.1" for how in ("off", "on")]


async def test_nobody_sees_tests_or_changes_the_device_of_another(phone_office: Office, service: PushService) -> None:
    ana, ben = await phone_office.person(), await phone_office.person("ben")
    await turn_on(ana, service, known="on")
    [device] = await devices(phone_office)
    assert device.device_id not in (await ben.open("/account")).text
    for action in ("change", "test", "off"):
        await ben.send(f"/account/push/{action}", device=device.device_id)
    assert await devices(phone_office) == [device]
    assert service.messages == []


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": "https://evil.example/send/1"},
        {"endpoint": "http://127.0.0.1/send/1"},
        {"endpoint": "https://127.0.0.1/" + "a" * 2000},
        {"endpoint": ""},
        {"p256dh": "AAAA"},
        {"auth": "AAAA"},
        {"selectors": "site="},
    ],
)
async def test_what_no_browser_sends_is_refused(
    phone_office: Office, service: PushService, changed: dict[str, str]
) -> None:
    ana = await phone_office.person()
    await ana.open("/account")
    page = await ana.send("/account/push/on", **{**service.phone().form, **changed})
    assert (page.status_code, await devices(phone_office)) == (400, [])
    assert "Go back to your account." in text_of(page)


async def test_an_operator_has_a_limited_number_of_devices(phone_office: Office, service: PushService) -> None:
    ana = await phone_office.person()
    for number in range(MOST_DEVICES):
        await turn_on(ana, service, f"phone-{number}")
    page = await ana.send("/account/push/on", **service.phone("one-more").form)
    assert "turn one off first" in text_of(page)
    await turn_on(ana, service, "phone-3")
    assert len(await devices(phone_office)) == MOST_DEVICES


async def test_a_reset_operator_loses_their_devices(phone_office: Office, service: PushService) -> None:
    ana = await phone_office.person()
    await turn_on(ana, service)
    async with phone_office.site.admin("root") as root:
        answer = await root.post("/api/v1/operators/ana/reset", json={})
    assert (answer.status_code, await devices(phone_office)) == (200, [])


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
async def test_people_who_decide_about_no_machine_are_offered_no_push(phone_office: Office, role: Role) -> None:
    viewer = await phone_office.person("vic", role)
    assert "Push messages" not in text_of(await viewer.open("/account"))


async def test_a_site_without_push_services_offers_no_push(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[push]", "services = []") as site:
        office = Office(site)
        ana = await office.person()
        assert "Push messages" not in text_of(await ana.open("/account"))
        for action in ("on", "change", "test", "off"):
            assert (await ana.send(f"/account/push/{action}")).status_code == 404
        assert "push messages" not in [chore.name for chore in site.built.chores]


async def test_a_person_who_is_not_signed_in_returns_to_the_card_of_the_push(office: Office) -> None:
    answer = await office.browser().open("/requests/019abc")
    assert answer.headers["location"] == "/login?next=%2Frequests%2F019abc"

"""A person finds a machine, reads what has changed since its delivery, and removes an assignment; and the commands."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from bootgrant.operator_plane.wording import text
from support.browser import chromium
from support.site import Served, served, wait_until

MODEL = """
defaults: {schema: talos, layers: [worker]}
entries:
  - {name: worker-1, match: {serial: SN1}, labels: {site: fra}}
  - {name: worker-2, match: {serial: SN2}, labels: {site: ams}}
  - {name: spare, labels: {site: fra}}
"""
LAYER = "version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==}\n  install:\n    disk: DISK\ncluster: {}\n"
SIZES = {"phone": (390, 844), "desk": (1280, 800)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("machines")) as running:
        (running.machines / "worker").mkdir()
        write_layer(running.machines, "/dev/sda")
        (running.machines / "machines.yaml").write_text(MODEL)
        wait_until(lambda: "worker-1" in running.command("machines", "list").stdout, "the entries are served")
        deliver(running, "SN1")
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(params=list(SIZES))
def page(site: Served, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = SIZES[request.param]
    with browser.new_context(viewport={"width": width, "height": height}) as context:
        opened = context.new_page()
        opened.set_default_timeout(20_000)
        opened.goto(f"{site.url}/machines")
        opened.get_by_label("Name").fill(site.made.operator)
        opened.get_by_label("Password", exact=True).fill(site.made.password.reveal())
        opened.get_by_role("button", name="Sign in").first.click()
        yield opened


def write_layer(folder: Path, disk: str) -> None:
    (folder / "worker/00-base.yaml").write_text(LAYER.replace("DISK", disk))


def request_code(site: Served, serial: str) -> dict[str, str]:
    form = {"client_id": "talos", "serial": serial}
    answer = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False)
    codes: dict[str, str] = answer.raise_for_status().json()
    return codes


def deliver(site: Served, serial: str) -> None:
    """Let a machine get its configuration, and wait until its preview is kept."""
    codes = request_code(site, serial)
    assert site.command("approve", codes["user_code"]).returncode == 0
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "talos",
        "device_code": codes["device_code"],
    }
    token = httpx2.post(f"{site.url}/token", data=form, trust_env=False).raise_for_status().json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    httpx2.get(f"{site.url}/config", headers=headers, trust_env=False).raise_for_status()
    wait_until(lambda: has_preview(site), "the preview is kept")


def has_preview(site: Served) -> bool:
    with closing(sqlite3.connect(site.folder / "data/bootgrant.sqlite3")) as database:
        return database.execute("SELECT no_preview FROM last_deliveries").fetchall() == [("",)]


def change_layer(site: Served, disk: str) -> None:
    before = site.configurations()["revision"]
    write_layer(site.machines, disk)
    wait_until(lambda: site.configurations()["revision"] != before, "the change is served")


def test_a_person_finds_a_machine_and_reads_what_has_changed(site: Served, page: Page) -> None:
    change_layer(site, f"/dev/nvme{page.viewport_size['width'] if page.viewport_size else 0}")
    page.get_by_role("searchbox").fill("sn1")
    page.get_by_role("button", name=text("machines.find")).click()
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="worker-1"))
    expect(row).to_contain_text(text("machines.is_delivered"))
    expect(row).to_contain_text("SN1")
    expect(page.get_by_role("link", name="worker-2")).to_have_count(0)
    row.get_by_role("link", name="worker-1").click()
    changes = page.locator("#changes")
    expect(changes.locator(".removed")).to_contain_text("disk: /dev/sda")
    expect(changes.locator(".added")).to_contain_text("disk: /dev/nvme")
    page.get_by_text(text("machine.preview_show")).click()
    expect(page.get_by_text("# worker/00-base.yaml").first).to_be_visible()


def test_a_person_assigns_an_entry_and_removes_the_assignment(site: Served, page: Page) -> None:
    request_code(site, f"STRANGER-{page.viewport_size}")
    page.goto(f"{site.url}/machines/spare")
    page.get_by_text(text("machine.assign_choose")).click()
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name=text("machine.assign_button"), exact=True).click()
    assigned = page.get_by_role("button", name=text("machine.unassign"))
    expect(assigned).to_have_count(1)
    assigned.click()
    expect(assigned).to_have_count(0)
    expect(page.locator(".log .what").first).to_have_text(text("audit.unassigned"))


def test_the_command_line_lists_machines_with_their_last_delivery(site: Served) -> None:
    listed = site.command("machines", "list", "--label", "site=fra")
    rows = {line.split()[0]: line for line in listed.stdout.splitlines()[1:]}
    assert "127.0.0.1" in rows["worker-1"]
    assert "serial=SN1" in rows["worker-1"]
    assert ("never delivered" in rows["spare"], "worker-2" in rows) == (True, False)
    found = json.loads(site.command("machines", "list", "--json").stdout)["entries"]
    assert {one["name"]: one["state"] for one in found}["worker-1"] == "delivered"


def test_the_command_line_shows_one_machine_with_what_has_changed(site: Served) -> None:
    change_layer(site, "/dev/vda")
    shown = site.command("machines", "show", "worker-1").stdout
    assert shown.startswith("worker-1: delivered\n")
    assert "-    disk: /dev/sda\n+    disk: /dev/vda\n" in shown
    assert " approved " in shown.splitlines()[-1]
    answer = json.loads(site.command("machines", "show", "worker-1", "--json").stdout)
    assert (answer["changes"]["what"], answer["events"][0]["kind"]) == ("shown", "delivered")
    unknown = site.command("machines", "show", "nothing")
    assert (unknown.returncode, "there is no entry 'nothing'" in unknown.stderr) == (1, True)


def test_without_a_server_the_files_are_listed(site: Served) -> None:
    listed = site.command("machines", "list", "--files")
    assert listed.stdout.splitlines()[0].split() == ["NAME", "IS", "TALOS", "MATCHES", "LABELS", "LAYERS"]

"""People who leave a real OpenID provider (oidc-provider), in Chromium: signed out there or here, or removed there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Page

from support.browser import chromium
from support.machine import DEVICE_GRANT, TALOS
from support.postgres_cluster import Cluster
from support.providers import OidcProvider, oidc_provider
from support.replicas import two_servers
from support.site import CONFIG, Served, free_port, served, wait_until

NAME = "ana.admins"


def settings(provider_port: int, secret: Path, check_every: str) -> str:
    secret.write_text("s3cr+t/&=\n")
    return f"""
[[oidc]]
id = "corp"
label = "Corp SSO"
issuer = "http://127.0.0.1:{provider_port}"
client_id = "pages"
client_secret_file = "{secret}"
scopes = ["openid", "profile"]
check_every = "{check_every}"

[[oidc.roles]]
group = "admins"
role = "admin"
"""


@dataclass(slots=True)
class Approved:
    """A machine that ana approved at ``site`` and that has not asked again; ``page`` is her browser's."""

    site: Served
    provider: OidcProvider
    page: Page
    codes: dict[str, Any]

    def poll(self) -> dict[str, Any]:
        form = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": self.codes["device_code"]}
        answer: dict[str, Any] = httpx2.post(f"{self.site.url}/token", data=form, timeout=60).json()
        return answer

    def fetch(self) -> str:
        headers = {"Authorization": f"Bearer {self.poll()['access_token']}"}
        return httpx2.get(f"{self.site.url}/config", headers=headers, timeout=60).text

    def ended(self) -> list[dict[str, Any]]:
        """The audit's records of sessions that the provider ended."""
        printed = self.site.command("audit", "--kind", "signed-out", "--json").stdout
        return [record for line in printed.splitlines() if (record := json.loads(line)).get("reason")]

    def must_sign_in(self) -> None:
        self.page.goto(f"{self.site.url}/account")
        self.page.get_by_role("heading", name="Sign in").wait_for()

    def end_session_there(self) -> None:
        """Sign out on the provider's own page, as another application would do it."""
        self.page.goto(f"{self.provider.issuer}/session/end")
        self.page.get_by_role("button", name="Yes, sign me out").click()
        self.page.get_by_role("heading", name="Sign-out Success").wait_for()


@contextmanager
def approving(site: Served, provider: OidcProvider) -> Iterator[Approved]:
    """Sign in as ana at the provider, and approve a machine."""
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 390, "height": 844})
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(f"{site.url}/account")
        page.get_by_role("link", name="Sign in with Corp SSO").click()
        page.get_by_placeholder("Enter any login").fill(NAME)
        page.get_by_placeholder("and password").fill("any password will do")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("heading", name="corp:ana").wait_for()
        codes: dict[str, Any] = httpx2.post(f"{site.url}/device/code", data=TALOS).json()
        page.goto(f"{site.url}/d/{codes['user_code']}")
        page.get_by_role("button", name="Approve").click()
        page.get_by_role("heading", name="Approved").wait_for()
        yield Approved(site, provider, page, codes)


@contextmanager
def approved(folder: Path, check_every: str) -> Iterator[Approved]:
    port, pages = free_port(), free_port()
    more = settings(port, folder / "corp.secret", check_every)
    button = 'confirm = "button"'
    with (
        oidc_provider(port, pages_url=f"http://localhost:{pages}") as provider,
        served(folder, machine=CONFIG, host="localhost", port=pages, settings=button, more=more) as site,
        approving(site, provider) as one,
    ):
        yield one


def test_a_person_who_signs_out_elsewhere_loses_the_session_and_the_approval(tmp_path: Path) -> None:
    with approved(tmp_path, "0s") as one:
        one.end_session_there()
        wait_until(lambda: bool(one.ended()), "the provider has called")
        assert one.poll()["error"] == "expired_token"
        one.must_sign_in()


def test_a_sign_out_here_that_ends_the_session_there_keeps_the_approval(tmp_path: Path) -> None:
    with approved(tmp_path, "0s") as one:
        one.page.goto(f"{one.site.url}/account")
        one.page.get_by_role("main").get_by_role("button", name="Sign out").click()
        one.page.get_by_role("link", name="Sign out at Corp SSO too").click()
        one.page.get_by_role("button", name="Yes, sign me out").click()
        one.page.get_by_role("heading", name="Sign in").wait_for()
        wait_until(lambda: "votes and approvals kept" in one.site.log, "the provider has called")
        assert one.ended() == []
        assert one.fetch() == CONFIG


def test_a_removed_person_loses_the_session_at_the_next_check(tmp_path: Path) -> None:
    """The provider only says that the grant is invalid, so the approval stays."""
    with approved(tmp_path, "10s") as one:
        one.provider.remove(NAME)
        wait_until(lambda: bool(one.ended()), "the next check", 40)
        one.must_sign_in()
        assert one.fetch() == CONFIG


def test_a_call_to_one_server_ends_what_began_on_another(tmp_path: Path, postgres: Cluster) -> None:
    port = free_port()
    more = settings(port, tmp_path / "corp.secret", "1h")
    with (
        two_servers(tmp_path, postgres, 'confirm = "button"', more) as (here, there),
        oidc_provider(port, pages_url=here.url, logout_url=there.url) as provider,
        approving(here, provider) as one,
    ):
        one.end_session_there()
        wait_until(lambda: bool(one.ended()), "the provider has called the other server")
        assert "votes and approvals void" in there.log
        assert one.poll()["error"] == "expired_token"
        one.must_sign_in()

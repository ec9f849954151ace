"""The recipe of docs/providers/dex.md with the real Dex: its YAML, its kernel parameters, and its settings."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page

from support.browser import chromium
from support.dex import CLIENT_SECRET, Dex, approve, dex, refuse
from support.outside_machine import machine
from support.recipes import Recipe
from support.site import CONFIG, Served, free_port, served
from support.web_forms import Browser

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class Place:
    """A Dex with the clients of the recipe, and the address at which a site is served."""

    provider: Dex
    port: int

    def recipe(self, secret: Path = Path("unused")) -> Recipe:
        replaced = {
            "https://dex.example.com/dex": self.provider.issuer,
            "https://boot.example.org": f"http://localhost:{self.port}",
            '"corp.secret"': f'"{secret}"',
        }
        return Recipe("dex", replaced)

    @contextmanager
    def site(self, folder: Path, heading: str) -> Iterator[Served]:
        """A site with the settings under this heading of the page."""
        secret = folder / "corp.secret"
        secret.write_text(CLIENT_SECRET)
        more = "\n" + self.recipe(secret).only("toml", heading)
        with served(folder, host="localhost", port=self.port, more=more) as site:
            yield site

    @property
    def cmdline(self) -> str:
        return self.recipe().only("text", "Machines at Dex")

    def code(self, **changed: str) -> dict[str, str]:
        """A code for the client "machines" and the scopes of the recipe."""
        form = {"client_id": "machines", "scope": "openid email groups"} | changed
        answer = httpx2.post(f"{self.provider.issuer}/device/code", data=form, trust_env=False)
        found: dict[str, str] = answer.raise_for_status().json()
        return found

    def poll(self, device_code: str) -> httpx2.Response:
        form = {"client_id": "machines", "grant_type": DEVICE_CODE, "device_code": device_code}
        return httpx2.post(f"{self.provider.issuer}/token", data=form, trust_env=False)


@contextmanager
def place(folder: Path, change: tuple[str, str] = ("", "")) -> Iterator[Place]:
    port = free_port()
    clients = Recipe("dex", {"https://boot.example.org": f"http://localhost:{port}"}).only("yaml", "The clients")
    assert change[0] in clients
    with dex(folder, clients.replace(*change) if change[0] else clients) as provider:
        yield Place(provider, port)


@pytest.fixture(scope="module")
def at_dex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("dex")) as made:
        yield made


@contextmanager
def phone() -> Iterator[Page]:
    """Open this after the site: creating a site needs an event loop, and Chromium's driver runs in one."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
        page.set_default_timeout(60_000)
        yield page


def claims(token: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


@pytest.mark.parametrize("words", [(), ("--compat", "talos"), ("--token", "id")], ids=" ".join)
def test_a_machine_at_dex_gets_its_configuration(words: tuple[str, ...], at_dex: Place, tmp_path: Path) -> None:
    with at_dex.site(tmp_path, "Machines at Dex"), machine(tmp_path, at_dex.cmdline, *words) as booting:
        approve(booting.complete_url())
        assert booting.delivered() == CONFIG


def test_a_machine_finds_dex_by_its_issuer_and_uses_pkce(at_dex: Place, tmp_path: Path) -> None:
    words = ("--issuer", at_dex.provider.issuer, "--pkce", "always")
    with at_dex.site(tmp_path, "Machines at Dex"), machine(tmp_path, at_dex.cmdline, *words) as booting:
        approve(booting.complete_url())
        assert booting.delivered() == CONFIG


def test_a_person_outside_the_group_approves_nothing(at_dex: Place, tmp_path: Path) -> None:
    with at_dex.site(tmp_path, "Machines at Dex"), machine(tmp_path, at_dex.cmdline) as booting:
        approve(booting.complete_url(), "ben")
        booting.shows("approver has no right")
        assert not booting.output.exists()


def test_a_refusal_is_an_error_page_and_never_reaches_the_machine(at_dex: Place) -> None:
    code = at_dex.code()
    page = refuse(code["verification_uri_complete"])
    assert (page.status_code, "Approval rejected." in page.text) == (500, True)
    answer = at_dex.poll(code["device_code"])
    assert (answer.status_code, answer.json()) == (400, {"error": "authorization_pending"})


def test_early_requests_get_slow_down_until_the_approval_and_then_the_token(at_dex: Place) -> None:
    code = at_dex.code()
    seen = [at_dex.poll(code["device_code"]).json()["error"] for _ in range(4)]
    assert seen == ["authorization_pending", "slow_down", "slow_down", "slow_down"]
    approve(code["verification_uri_complete"])
    answer = at_dex.poll(code["device_code"]).json()
    assert answer["expires_in"] in range(4 * 3600 - 60, 4 * 3600 + 1)
    assert claims(answer["access_token"])["groups"] == ["platform"]
    assert at_dex.poll(code["device_code"]).status_code == 200


def test_the_scope_openid_says_nothing_but_an_opaque_subject(at_dex: Place) -> None:
    code = at_dex.code(scope="openid")
    approve(code["verification_uri_complete"])
    found = claims(at_dex.poll(code["device_code"]).json()["access_token"])
    assert set(found) == {"iss", "sub", "aud", "exp", "iat", "at_hash"}
    assert "ana" not in str(found["sub"])


def seen_after_the_code(code: dict[str, str]) -> str:
    """What the person sees after sending the code; it has the status of an error."""
    with Browser() as browser:
        browser.open(code["verification_uri_complete"])
        form = browser.form()
        url = browser.page.url.join(form.action)
        page = httpx2.post(url, data=form.fields, follow_redirects=True, trust_env=False)
        assert page.is_error
        return page.text


def test_any_client_id_gets_a_code_and_the_person_sees_the_mistake(at_dex: Place) -> None:
    assert "Invalid client_id." in seen_after_the_code(at_dex.code(client_id="machnes"))


def test_a_client_with_other_redirect_uris_is_found_by_the_person(tmp_path: Path) -> None:
    change = ("[/device/callback, /dex/device/callback]", '["https://other.example/callback"]')
    with place(tmp_path, change) as elsewhere:
        assert "Unregistered redirect_uri." in seen_after_the_code(elsewhere.code())


def test_a_restart_of_dex_loses_the_code_and_the_machine_shows_a_new_one(tmp_path: Path) -> None:
    with (
        place(tmp_path / "dex") as elsewhere,
        elsewhere.site(tmp_path, "Machines at Dex"),
        machine(tmp_path, elsewhere.cmdline) as booting,
    ):
        first = booting.complete_url()
        elsewhere.provider.stop()
        elsewhere.provider.start()
        second = booting.complete_url(2)
        assert second != first
        assert "no longer knows the code" in booting.said
        approve(second)
        assert booting.delivered() == CONFIG


def test_a_person_signs_in_at_dex_by_group(at_dex: Place, tmp_path: Path) -> None:
    with at_dex.site(tmp_path, "People at Dex") as site, phone() as page:
        page.goto(f"{site.url}/account")
        page.get_by_role("link", name="Sign in with Dex").click()
        page.locator("#login").fill("ana@example.com")
        page.locator("#password").fill("password")
        page.get_by_role("button", name="Login").click()
        page.get_by_role("button", name="Grant Access").click()
        page.get_by_role("heading", name="corp:").wait_for()
        assert page.get_by_role("main").get_by_text("approver", exact=True).is_visible()

"""A realm that the commands of docs/providers/keycloak.md set up, sites with its settings, and a person's phone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Error, Page
from tools.keycloak.install import ADMIN, environment, installed

from support.browser import chromium
from support.keycloak import PASSWORD, Keycloak, Realm
from support.keycloak_pages import sign_in_at_keycloak
from support.outside_machine import OutsideMachine, machine
from support.parts import program
from support.recipes import Recipe
from support.site import Served, free_port, served
from support.web_forms import Browser

_QUICK_JAVA = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
MACHINES = "Machines at Keycloak"
SECRET = "s3cr+t/&="
OTHER_CHECKS = "Other ways to check the token"
PEOPLE = "The client for people"


@dataclass(frozen=True, slots=True)
class Corp:
    """The realm, in which ana is in the group ``platform`` and ben is not; ``folder`` has the secrets."""

    realm: Realm
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def recipe(self) -> Recipe:
        replaced = {
            "https://keycloak.example.com/realms/corp": self.realm.issuer,
            "https://keycloak.example.com": self.realm.server.url,
            "https://boot.example.org": self.url,
            "REALM=corp": f"REALM={self.realm.name}",
            'client_secret_file = "': f'client_secret_file = "{self.folder}/',
        }
        return Recipe("keycloak", replaced)

    @property
    def cmdline(self) -> str:
        return self.recipe.only("text", MACHINES)

    def run_commands(self) -> None:
        """Run every command of the page in one shell, as a person who copies block after block."""
        kcadm = installed().folder / "keycloak/bin"
        own = {"HOME": str(self.folder), "KC_CLI_PASSWORD": ADMIN[1], "KC_OPTS": _QUICK_JAVA}
        path = f"{kcadm}:{environment()['PATH']}"
        script = "set -euo pipefail\n" + "\n".join(self.recipe.blocks("sh"))
        done = subprocess.run(
            [program("bash", "bash"), "-c", script],
            cwd=self.folder,
            env=environment() | own | {"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def site(self, folder: Path, heading: str, number: int = 0) -> Iterator[Served]:
        """A site with the ``number``-th settings under this heading of the page."""
        with self.site_with(folder, self.recipe.blocks("toml", heading)[number]) as site:
            yield site

    @contextmanager
    def site_with(self, folder: Path, settings: str) -> Iterator[Served]:
        with served(folder, host="localhost", port=self.port, more=f"\n{settings}") as site:
            yield site

    @contextmanager
    def machine(self, folder: Path, *words: str, client: str = "machines", more: str = "") -> Iterator[OutsideMachine]:
        """A machine that boots with the kernel parameters of the page."""
        cmdline = self.cmdline.replace("client_id=machines", f"client_id={client}")
        with machine(folder, f"{cmdline} {more}", *words) as booting:
            yield booting


def corp(server: Keycloak, folder: Path) -> Corp:
    """Make the realm and run the commands of the page in it."""
    realm = server.realm()
    realm.add_group("/platform")
    realm.add_user("ana", groups=["/platform"])
    realm.add_user("ben")
    made = Corp(realm, folder, free_port())
    made.run_commands()
    return made


def add_strict_clients(realm: Realm) -> None:
    """Add clients with the mappers of the recipe: with-pkce (which requires it), with-secret, lightweight."""
    [recipe] = realm.call("GET", "/clients?clientId=machines")
    mappers = [{name: value for name, value in mapper.items() if name != "id"} for mapper in recipe["protocolMappers"]]
    realm.add_machines("with-pkce", attributes={"pkce.code.challenge.method": "S256"}, protocolMappers=mappers)
    realm.add_machines("with-secret", secret=SECRET, protocolMappers=mappers)
    realm.add_machines(
        "lightweight", attributes={"client.use.lightweight.access.token.enabled": "true"}, protocolMappers=mappers
    )


@contextmanager
def phone() -> Iterator[Page]:
    """Open this after the site: creating a site needs an event loop, and Chromium's driver runs in one.

    A failure shows the page's address and text.
    """
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, locale="en-US")
        page.set_default_timeout(60_000)
        try:
            yield page
        except Error:
            print(page.url, page.locator("body").inner_text(), sep="\n")
            raise


def answer_at_keycloak(url: str, name: str = "ana", button: str = "Yes") -> None:
    """Open what the QR code says, sign in at Keycloak, and press the button."""
    with phone() as page:
        page.goto(url)
        sign_in_at_keycloak(page, name)
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_text("Device Login Successful" if button == "Yes" else "Device Login Failed").wait_for()


def sign_in_without_scripts(browser: Browser, url: str, name: str = "ana") -> None:
    """Open what the QR code says and sign in, up to the question whether to grant access."""
    browser.open(url)
    browser.send(username=name, password=PASSWORD)
    assert "Grant Access" in browser.page.text, browser.page.text


def approve_without_scripts(url: str, name: str = "ana") -> None:
    with Browser() as browser:
        sign_in_without_scripts(browser, url, name)
        browser.send(accept="Yes")
        assert "Device Login Successful" in browser.page.text, browser.page.text

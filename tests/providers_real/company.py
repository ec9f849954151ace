"""A company: a realm of Keycloak, a site whose people sign in there, and a person's browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from support.browser import chromium
from support.keycloak import Realm
from support.keycloak_pages import sign_in_at_keycloak
from support.site import CONFIG, Served, free_port, served

SECRET = "s3cr+t/&="
ADMINS = '[[oidc.roles]]\ngroup = "platform"\nrole = "admin"\n'


@dataclass(frozen=True, slots=True)
class Company:
    """People sign in at ``site`` through ``realm``; ``context`` is one browser."""

    site: Served
    realm: Realm
    context: BrowserContext

    def go_to_keycloak(self, path: str = "/account") -> Page:
        """Open a page of the site, and choose the provider."""
        page = self.context.new_page()
        page.goto(f"{self.site.url}{path}")
        page.get_by_role("link", name="Sign in with Corp SSO").click()
        return page

    def sign_in(self, name: str, path: str = "/account") -> Page:
        """Sign in at Keycloak, and return where that leads."""
        page = self.go_to_keycloak(path)
        sign_in_at_keycloak(page, name)
        return page

    def operators(self) -> str:
        """What `bootgrant operators list` prints."""
        return self.site.command("operators", "list").stdout


@contextmanager
def company(
    folder: Path,
    realm: Realm,
    *,
    roles: str = ADMINS,
    secret: str | None = SECRET,
    oidc: str = "",
    client: Mapping[str, object] | None = None,
    machine: str = CONFIG,
    settings: str = "",
) -> Iterator[Company]:
    """Start the site; ``client`` are more members of the client, ``oidc`` more lines of ``[[oidc]]``."""
    port = free_port()
    realm.add_pages(f"http://localhost:{port}", secret=secret, **(client or {}))
    lines = ["", "[[oidc]]", 'id = "corp"', 'label = "Corp SSO"', f'issuer = "{realm.issuer}"', 'client_id = "pages"']
    if secret is not None:
        (folder / "corp.secret").write_text(secret + "\n")
        lines.append(f'client_secret_file = "{folder}/corp.secret"')
    more = "\n".join([*lines, oidc, roles, ""])
    with (
        served(folder, machine=machine, host="localhost", port=port, settings=settings, more=more) as site,
        chromium() as browser,
    ):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
        context.set_default_timeout(30_000)
        yield Company(site, realm, context)

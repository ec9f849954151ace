"""A company: a realm of Keycloak, a site whose people sign in there, and a person's browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from support.browser import chromium
from support.keycloak import Realm
from support.keycloak_pages import sign_in_at_keycloak
from support.site import CONFIG, Served, free_port, served

SECRET = "s3cr+t/&="
ADMINS = '[[oidc.roles]]\ngroup = "platform"\nrole = "admin"\n'


@dataclass(frozen=True, slots=True)
class Company:
    """People sign in at ``site`` through ``realm``; ``context`` is what one person's browser remembers."""

    site: Served
    realm: Realm
    browser: Browser
    context: BrowserContext

    def with_new_browser(self) -> Company:
        """The same site, with a browser that remembers nothing."""
        return replace(self, context=_context(self.browser))

    def go_to_keycloak(self, path: str = "/account", label: str = "Corp SSO") -> Page:
        """Open a page of the site, and choose the provider."""
        page = self.context.new_page()
        page.goto(f"{self.site.url}{path}")
        page.get_by_role("link", name=f"Sign in with {label}", exact=True).click()
        return page

    def sign_in(self, name: str, path: str = "/account", label: str = "Corp SSO") -> Page:
        """Sign in at Keycloak, and return where that leads."""
        page = self.go_to_keycloak(path, label)
        sign_in_at_keycloak(page, name)
        return page

    def go_again_to_keycloak(self, path: str = "/account", label: str = "Corp SSO") -> Page:
        """Go there without the session here, but with the one at Keycloak."""
        self.context.clear_cookies(name="bootgrant")
        return self.go_to_keycloak(path, label)

    def operators(self) -> str:
        """What `bootgrant operators list` prints."""
        return self.site.command("operators", "list").stdout


def provider_settings(
    folder: Path, realm: Realm, *, name: str = "corp", label: str = "Corp SSO", client: str = "pages",
    secret: str | None = SECRET, oidc: str = "", roles: str = ADMINS,
) -> str:  # fmt: skip
    """Return the lines of an ``[[oidc]]``, with ``oidc`` as more of its lines and ``roles`` as its rules."""
    lines = ["", "[[oidc]]", f'id = "{name}"', f'label = "{label}"', f'issuer = "{realm.issuer}"']
    lines.append(f'client_id = "{client}"')
    if secret is not None:
        (folder / f"{name}.secret").write_text(secret + "\n")
        lines.append(f'client_secret_file = "{folder}/{name}.secret"')
    return "\n".join([*lines, oidc, roles])


@contextmanager
def running(
    folder: Path,
    realm: Realm,
    port: int,
    more: str,
    *,
    machine: str = CONFIG,
    settings: str = "",
    clock: Mapping[str, str] | None = None,
) -> Iterator[Company]:
    """Start a site and a browser; ``more`` is the end of bootgrant.toml, ``clock`` the variables of a wrong clock.

    ``settings`` replaces values of single lines.
    """
    started = served(
        folder, machine=machine, host="localhost", port=port, settings=settings, more=more, variables=clock
    )
    with started as site, chromium() as browser:
        yield Company(site, realm, browser, _context(browser))


@contextmanager
def company(
    folder: Path,
    realm: Realm,
    *,
    roles: str = ADMINS,
    secret: str | None = SECRET,
    oidc: str = "",
    attributes: Mapping[str, str] | None = None,
    machine: str = CONFIG,
    settings: str = "",
    clock: Mapping[str, str] | None = None,
) -> Iterator[Company]:
    """A site with the provider "corp", and the client "pages" in ``realm``, which has people and groups already.

    ``attributes`` are those of the client, ``oidc`` more lines of ``[[oidc]]``; ``settings`` replaces values of lines.
    """
    port = free_port()
    realm.add_pages(f"http://localhost:{port}", secret=secret, attributes=attributes or {})
    text = provider_settings(folder, realm, secret=secret, oidc=oidc, roles=roles)
    with running(folder, realm, port, text, machine=machine, settings=settings, clock=clock) as made:
        yield made


@contextmanager
def platform(
    folder: Path,
    realm: Realm,
    *,
    secret: str | None = SECRET,
    oidc: str = "",
    attributes: Mapping[str, str] | None = None,
    machine: str = CONFIG,
    settings: str = "",
    clock: Mapping[str, str] | None = None,
) -> Iterator[Company]:
    """The company in which ana and ben are admins, because they are in the group ``/platform``."""
    realm.add_group("/platform")
    for name in ("ana", "ben"):
        realm.add_user(name, groups=["/platform"])
    made = company(
        folder, realm, secret=secret, oidc=oidc, attributes=attributes, machine=machine, settings=settings, clock=clock
    )
    with made as there:
        realm.map_groups("pages", full_path=False)
        yield there


def _context(browser: Browser) -> BrowserContext:
    made = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    made.set_default_timeout(30_000)
    return made

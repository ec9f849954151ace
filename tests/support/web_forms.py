"""A browser without scripts that fetches pages and submits their forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2


@dataclass(slots=True)
class Form:
    """A form of a page, with the values of its fields."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").upper()))
        elif tag == "input" and self.forms and given.get("name") and given.get("type") != "submit":
            self.forms[-1].fields[given["name"]] = given.get("value", "")


class Browser:
    """Keeps cookies and follows redirects. ``page`` is the current response."""

    def __init__(self) -> None:
        # Browsers send Secure cookies to loopback addresses over plain HTTP, too; Keycloak relies on it.
        cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("https", "http")))
        self._client = httpx2.Client(follow_redirects=True, timeout=60, trust_env=False, cookies=cookies)
        self.page = httpx2.Response(200)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def open(self, url: str) -> None:
        self.page = self._client.get(url)
        assert self.page.is_success, f"{url}: {self.page.status_code} {self.page.text[:500]}"

    def form(self) -> Form:
        """Return the first form of the page."""
        parser = _Forms()
        parser.feed(self.page.text)
        assert parser.forms, f"no form in this page: {self.page.text[:2000]}"
        return parser.forms[0]

    def send(self, **fields: str) -> None:
        """Submit the first form of the page with these fields changed or added."""
        form = self.form()
        url = self.page.url.join(form.action)
        self.page = self._client.request(form.method, url, data=form.fields | fields)
        assert self.page.is_success, f"{url}: {self.page.status_code} {self.page.text[:500]}"

    def call(self, method: str, url: str, content: object) -> None:
        """Send a request that a script of the page would send."""
        self.page = self._client.request(method, url, json=content)
        assert self.page.is_success, f"{method} {url}: {self.page.status_code} {self.page.text[:500]}"

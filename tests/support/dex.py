"""The real Dex as a process on a loopback port, and the people who approve on its pages.

`make test-providers` builds it from the unmodified module (tools/dex). The clients are those of docs/providers/dex.md.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from support.parts import built_program
from support.site import clean_environment, free_port, wait_until
from support.web_forms import Browser

_PASSWORD = "password"
_HASH = "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W"
CLIENT_SECRET = "the secret of bootgrant"
_PEOPLE = {"ana": ["platform"], "ben": ["accounting"]}


@dataclass(slots=True)
class Dex:
    """Its issuer has a path, as in the documentation. People: ana (group platform) and ben (group accounting)."""

    issuer: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "dex.log").read_text()

    def start(self) -> None:
        with (self.folder / "dex.log").open("ab") as log:
            self.process = subprocess.Popen(
                [built_program("dex"), "serve", self.folder / "dex.yaml"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment() | {"DEX_BOOTGRANT_SECRET": CLIENT_SECRET},
            )
        wait_until(lambda: self._answers() or self._ended(), "Dex answers")
        assert not self._ended(), self.log

    def stop(self) -> None:
        """Kill it. Its storage is in memory, so it loses its codes and its keys."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.issuer}/.well-known/openid-configuration", trust_env=False).is_success
        except httpx2.TransportError:
            return False

    def _ended(self) -> bool:
        return self.process is None or self.process.poll() is not None


@contextmanager
def dex(folder: Path, clients: str) -> Iterator[Dex]:
    """Run a new Dex in a new folder. ``clients`` is the YAML with `staticClients`, and with further settings."""
    port = free_port()
    provider = Dex(f"http://127.0.0.1:{port}/dex", folder)
    settings = [
        f"issuer: {provider.issuer}",
        "storage: {type: memory}",
        f"web: {{http: '127.0.0.1:{port}'}}",
        "enablePasswordDB: true",
        "staticPasswords:",
        *(line for name, groups in _PEOPLE.items() for line in _person(name, groups)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dex.yaml").write_text("\n".join([*settings, clients]))
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()


def _person(name: str, groups: list[str]) -> list[str]:
    email = f"{name}@example.com"
    return [
        f"  - {{email: {email}, hash: '{_HASH}', username: {name}, userID: id-of-{name}, groups: {groups}}}",
    ]


def sign_in(browser: Browser, verification_url: str, name: str) -> None:
    """Send the code and sign in, up to Dex's question whether to grant access."""
    browser.open(verification_url)
    browser.send()
    browser.send(login=f"{name}@example.com", password=_PASSWORD)
    assert "Grant Access" in browser.page.text, browser.page.text


def approve(verification_url: str, name: str = "ana") -> None:
    with Browser() as browser:
        sign_in(browser, verification_url, name)
        browser.send()
        assert "Login Successful" in browser.page.text, browser.page.text


def refuse(verification_url: str, name: str = "ana") -> httpx2.Response:
    """Press Cancel; returns the page that the person sees. The form's address identifies the request: no cookie."""
    with Browser() as browser:
        sign_in(browser, verification_url, name)
        form = browser.form().fields | {"approval": "rejected"}
        return httpx2.post(browser.page.url, data=form, trust_env=False)

"""Real OAuth providers as processes on loopback ports, and the people who approve on their pages."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.parts import npm_packages
from support.web_forms import Browser

_OIDC_PROVIDER = Path(__file__).resolve().parent / "oidc_provider"


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """node oidc-provider with its development pages. Clients: machines (public), machines-basic, machines-post."""

    issuer: str
    client_secret: str = "s3cr+t/&="

    @property
    def endpoints(self) -> str:
        """The kernel parameters that name its endpoints."""
        prefix = "talos.config.oauth."
        return f"{prefix}device_auth_url={self.issuer}/device/auth {prefix}token_url={self.issuer}/token"

    def approve(self, verification_url: str) -> None:
        """Confirm the code, sign in as ana, consent."""
        with Browser() as browser:
            self._open(browser, verification_url)
            browser.send()
            browser.send(login="ana", password="any password will do")
            browser.send()
            assert "Sign-in Success" in browser.page.text, browser.page.text

    def deny(self, verification_url: str) -> None:
        """Look at the code and abort."""
        with Browser() as browser:
            self._open(browser, verification_url)
            browser.send(abort="yes")
            assert "interrupted" in browser.page.text, browser.page.text

    def _open(self, browser: Browser, verification_url: str) -> None:
        browser.open(verification_url)
        browser.send()
        assert "Confirm Device" in browser.page.text, browser.page.text

    def who_has(self, token: str) -> str:
        """The subject of a token that is valid now; empty for any other."""
        found = self._introspected(token)
        return str(found["sub"]) if found.get("active") else ""

    def _introspected(self, token: str) -> dict[str, object]:
        form = {"token": token, "client_id": "machines-post", "client_secret": self.client_secret}
        answer = httpx.post(f"{self.issuer}/token/introspection", data=form, trust_env=False)
        found: dict[str, object] = answer.raise_for_status().json()
        return found


@contextmanager
def oidc_provider() -> Iterator[OidcProvider]:
    """A new provider, gone after the block."""
    node, folder = npm_packages(_OIDC_PROVIDER)
    script = (_OIDC_PROVIDER / "server.mjs").read_text()
    # The script comes on standard input so that its imports are looked for where the packages are.
    with subprocess.Popen(
        [node, "--input-type=module", "-"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(script)
            process.stdin.close()
            yield OidcProvider(json.loads(process.stdout.readline())["issuer"])
        finally:
            process.kill()

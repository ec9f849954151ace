"""glewlwyd as a provider at which people sign in: an OpenID plugin with the code flow that signs with RSA."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from joserfc.jwk import RSAKey
from playwright.sync_api import Page

from support.providers import Glewlwyd
from support.web_forms import Browser

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class GlewlwydPeople:
    """The client is "pages" with ``client_secret``; ana signs in with PASSWORD."""

    provider: Glewlwyd
    client_secret: str = "s3cret"

    @property
    def issuer(self) -> str:
        return f"{self.provider.url}/api/people"

    def sign_in(self, page: Page) -> None:
        """Sign in as ana and grant the scopes with requests from this browser: Debian's package lacks the page."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
        calls = page.context.request
        for method, path, data in (
            ("POST", "auth", {"username": "ana", "password": PASSWORD}),
            ("PUT", f"auth/grant/{asked['client_id']}", {"scope": asked["scope"]}),
        ):
            answer = calls.fetch(f"{self.provider.url}/api/{path}", method=method, data=data)
            assert answer.ok, answer.text()
        page.goto(f"{asked['callback_url']}&g_continue")


def with_people(provider: Glewlwyd, pages_url: str) -> GlewlwydPeople:
    """Add what people need to sign in at ``pages_url`` through the provider "corp"."""
    made = GlewlwydPeople(provider)
    key = RSAKey.generate_key(2048)
    plugin = {
        "iss": made.issuer,
        "jwt-type": "rsa",
        "jwt-key-size": "256",
        "key": key.as_pem(private=True).decode(),
        "cert": key.as_pem(private=False).decode(),
        "access-token-duration": 3600,
        "refresh-token-duration": 3600,
        "code-duration": 600,
        "refresh-token-rolling": False,
        "allow-non-oidc": False,
        "auth-type-code-enabled": True,
        "auth-type-id-token-enabled": True,
        **{f"auth-type-{way}-enabled": False for way in ("token", "password", "client", "refresh", "none", "device")},
        "pkce-allowed": True,
        "pkce-method-plain-allowed": False,
        "name-claim": "mandatory",
    }
    client = {
        "client_id": "pages",
        "confidential": True,
        "client_secret": made.client_secret,
        "token_endpoint_auth_method": ["client_secret_basic"],
        "redirect_uri": [f"{pages_url}/login/oidc/corp/callback"],
        "authorization_type": ["code"],
        "enabled": True,
        "scope": ["openid"],
    }
    with Browser() as admin:
        admin.call("POST", f"{provider.url}/api/auth", {"username": "admin", "password": "password"})
        module = {"module": "oidc", "name": "people", "display_name": "People", "parameters": plugin}
        admin.call("POST", f"{provider.url}/api/mod/plugin", module)
        admin.call("POST", f"{provider.url}/api/client", client)
    return made

"""Real OAuth providers as processes on loopback ports, and the people who approve on their pages."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from support.parts import installed_file, npm_packages, program
from support.site import free_port, wait_until
from support.web_forms import Browser

_OIDC_PROVIDER = Path(__file__).resolve().parent / "oidc_provider"


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """node oidc-provider with its development pages. Clients: machines (public), machines-basic, machines-post."""

    issuer: str
    process: subprocess.Popen[str]
    client_secret: str = "s3cr+t/&="

    def stop(self) -> None:
        """Stop it at once. It loses all its data."""
        self.process.kill()
        self.process.wait()

    def remove(self, name: str) -> None:
        """Remove a person. Their session stays, and no client is called."""
        httpx2.post(f"{self.issuer}/removed/{name}", trust_env=False).raise_for_status()

    @property
    def endpoints(self) -> str:
        """The kernel parameters for its endpoints."""
        prefix = "talos.config.oauth."
        return f"{prefix}device_auth_url={self.issuer}/device/auth {prefix}token_url={self.issuer}/token"

    def approve(self, verification_url: str) -> None:
        """Confirm the code, sign in as ana, and consent."""
        with Browser() as browser:
            self._open(browser, verification_url)
            browser.send()
            browser.send(login="ana", password="any password will do")
            browser.send()
            assert "Sign-in Success" in browser.page.text, browser.page.text

    def deny(self, verification_url: str) -> None:
        """Open the page for the code and abort."""
        with Browser() as browser:
            self._open(browser, verification_url)
            browser.send(abort="yes")
            assert "interrupted" in browser.page.text, browser.page.text

    def _open(self, browser: Browser, verification_url: str) -> None:
        browser.open(verification_url)
        browser.send()
        assert "Confirm Device" in browser.page.text, browser.page.text

    def who_has(self, token: str) -> str:
        """Return the subject of a valid token, or an empty text."""
        found = self._introspected(token)
        return str(found["sub"]) if found.get("active") else ""

    def _introspected(self, token: str) -> dict[str, object]:
        form = {"token": token, "client_id": "machines-post", "client_secret": self.client_secret}
        answer = httpx2.post(f"{self.issuer}/token/introspection", data=form, trust_env=False)
        found: dict[str, object] = answer.raise_for_status().json()
        return found


@contextmanager
def oidc_provider(
    port: int = 0, code_life: int = 600, pages_url: str = "", logout_url: str = ""
) -> Iterator[OidcProvider]:
    """Start a new provider for the duration of the block. ``code_life`` is in seconds.

    People sign in to the pages at ``pages_url`` with its client "pages"; logout calls go to ``logout_url``, which is
    that of another server of the same site.
    """
    node, folder = npm_packages(_OIDC_PROVIDER)
    settings = {"port": port, "codeLife": code_life, "pagesUrl": pages_url, "logoutUrl": logout_url}
    script = (_OIDC_PROVIDER / "server.mjs").read_text()
    # The script comes on standard input, so that Node looks for its imports where the packages are.
    with subprocess.Popen(
        [node, "--input-type=module", "-", json.dumps(settings)],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(script)
            process.stdin.close()
            yield OidcProvider(json.loads(process.stdout.readline())["issuer"], process)
        finally:
            process.kill()


_GLEWLWYD_SQL = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
_GLEWLWYD_FILES = Path("/usr/lib/glewlwyd")
_GLEWLWYD_PAGES = Path("/usr/share/glewlwyd/webapp")


@dataclass(frozen=True, slots=True)
class Glewlwyd:
    """Debian's glewlwyd with its OpenID plugin. Clients: machines (public), machines-secret (Basic)."""

    url: str
    # Letters and digits only: glewlwyd does not undo the encoding that RFC 6749 section 2.3.1 requires of clients.
    client_secret: str = "s3cret"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list, compare=False)

    def stop(self) -> None:
        """Stop it at once. Its data is in its database."""
        process = self.processes.pop()
        process.kill()
        process.wait()

    @property
    def issuer(self) -> str:
        return f"{self.url}/api/oidc"

    @property
    def endpoints(self) -> str:
        """The kernel parameters for its endpoints."""
        prefix = "talos.config.oauth."
        return f"{prefix}device_auth_url={self.issuer}/device_authorization {prefix}token_url={self.issuer}/token"

    def approve(self, verification_url: str) -> None:
        """Open the page, sign in as ana, grant the scopes, and continue, with the requests that its page makes."""
        with Browser() as browser:
            browser.open(verification_url)
            asked = browser.page.url.params
            assert asked["client_id"], browser.page.url
            browser.call("POST", f"{self.url}/api/auth", {"username": "ana", "password": "correct horse battery"})
            browser.call("PUT", f"{self.url}/api/auth/grant/{asked['client_id']}", {"scope": asked["scope"]})
            browser.open(f"{asked['callback_url']}&g_continue")
            assert browser.page.url.params["prompt"] == "deviceComplete", browser.page.url

    def who_has(self, token: str) -> str:
        """Return the name of the user of a valid token, or an empty text."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx2.get(f"{self.issuer}/userinfo", headers=headers, trust_env=False)
        return str(answer.json()["name"]) if answer.is_success else ""


@contextmanager
def glewlwyd(folder: Path, code_life: int = 600) -> Iterator[Glewlwyd]:
    """Start a new provider with its database in ``folder``. ``code_life`` is in seconds."""
    with closing(sqlite3.connect(folder / "glewlwyd.db")) as database:
        database.executescript(installed_file(_GLEWLWYD_SQL, "glewlwyd").read_text())
    provider = Glewlwyd(f"http://127.0.0.1:{free_port()}")
    (folder / "glewlwyd.conf").write_text(_glewlwyd_settings(folder, provider.url))
    with glewlwyd_runs(folder, provider):
        _set_up(provider, code_life)
        yield provider


@contextmanager
def glewlwyd_runs(folder: Path, provider: Glewlwyd) -> Iterator[None]:
    """Run the process on an existing database, so that a restart finds the old data."""
    program_file = program("glewlwyd", "glewlwyd")
    with (
        (folder / "glewlwyd.log").open("ab") as log,
        subprocess.Popen([program_file, "-c", folder / "glewlwyd.conf"], stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: _answers(provider.url) or process.poll() is not None, "glewlwyd answers")
            assert process.poll() is None, (folder / "glewlwyd.log").read_text()
            provider.processes.append(process)
            yield
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/config", trust_env=False).is_success
    except httpx2.TransportError:
        return False


def _glewlwyd_settings(folder: Path, url: str) -> str:
    settings: dict[str, str | int] = {
        "port": int(url.rpartition(":")[2]),
        "bind_address": "127.0.0.1",
        "external_url": url,
        "login_url": "login.html",
        "api_prefix": "api",
        "static_files_path": f"{_GLEWLWYD_PAGES}/",
        "log_mode": "console",
        "log_level": "INFO",
        "cookie_secure": 0,
        "session_expiration": 3600,
        "session_key": "GLEWLWYD2_SESSION_ID",
        "admin_scope": "g_admin",
        "profile_scope": "g_profile",
        "user_module_path": f"{_GLEWLWYD_FILES}/user",
        "client_module_path": f"{_GLEWLWYD_FILES}/client",
        "user_auth_scheme_module_path": f"{_GLEWLWYD_FILES}/scheme",
        "plugin_module_path": f"{_GLEWLWYD_FILES}/plugin",
        "hash_algorithm": "SHA512",
        # Required even without TLS, but not opened then.
        "secure_connection_key_file": "unused",
        "secure_connection_pem_file": "unused",
    }
    lines = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    mime_type = '{ extension=".html"; mime_type="text/html"; }'
    lines += ["use_secure_connection=false", f"static_files_mime_types = ({mime_type})"]
    return "\n".join([*lines, f'database = {{ type="sqlite3"; path="{folder}/glewlwyd.db"; }};', ""])


def _set_up(provider: Glewlwyd, code_life: int) -> None:
    """Create the plugin, a scope, a person, and the clients, as an administrator does once."""
    switches = ("code", "token", "password", "client", "refresh", "none")
    plugin = {
        "iss": provider.issuer,
        "jwt-type": "sha",
        "jwt-key-size": "256",
        "key": "a shared secret for tests, long enough",
        "access-token-duration": 3600,
        "refresh-token-duration": 3600,
        "code-duration": 600,
        "refresh-token-rolling": False,
        "allow-non-oidc": True,
        "auth-type-id-token-enabled": True,
        **{f"auth-type-{switch}-enabled": False for switch in switches},
        "auth-type-device-enabled": True,
        "device-authorization-expiration": code_life,
        "device-authorization-interval": 1,
        "name-claim": "mandatory",
        "pkce-allowed": True,
    }
    client = {
        "redirect_uri": [],
        "authorization_type": ["device_authorization"],
        "enabled": True,
        "scope": ["machines", "openid"],
    }
    public = {"client_id": "machines", "confidential": False, "token_endpoint_auth_method": ["none"]}
    secret = {"client_id": "machines-secret", "confidential": True, "client_secret": provider.client_secret}
    ana = {
        "username": "ana",
        "name": "ana",
        "password": "correct horse battery",
        "scope": ["machines", "openid"],
        "enabled": True,
    }
    scope = {"name": "machines", "display_name": "Machine configurations", "password_required": True, "scheme": {}}
    with Browser() as admin:
        admin.call("POST", f"{provider.url}/api/auth", {"username": "admin", "password": "password"})
        made = {"module": "oidc", "name": "oidc", "display_name": "OpenID", "parameters": plugin}
        admin.call("POST", f"{provider.url}/api/mod/plugin", made)
        admin.call("POST", f"{provider.url}/api/scope", scope)
        admin.call("POST", f"{provider.url}/api/user", ana)
        admin.call("POST", f"{provider.url}/api/client", client | public)
        basic = {"token_endpoint_auth_method": ["client_secret_basic"]}
        admin.call("POST", f"{provider.url}/api/client", client | secret | basic)

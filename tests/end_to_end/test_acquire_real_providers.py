"""The real command against real providers: approved on their own pages, through to the configuration."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.providers import Glewlwyd, OidcProvider, glewlwyd, oidc_provider
from support.site import bootgrant, clean_environment, wait_until

_CONFIG = b"version: v1alpha1\nmachine:\n  type: worker\n"
_UUID = "5d0a7b2e-8a4c-4b8e-9d4a-0123456789ab"
_OAUTH = "talos.config.oauth."
_VISIT = re.compile(r"please visit the URL (\S+) and enter the code (\S+)")


class _ConfigServer(ThreadingHTTPServer):
    """Serves the configuration to whoever has a token that ``knows`` the subject ana."""

    daemon_threads = True

    def __init__(self, knows: Callable[[str], str]) -> None:
        super().__init__(("127.0.0.1", 0), _ConfigHandler)
        self.knows = knows
        self.tokens: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/config?uuid=${{uuid}}"


class _ConfigHandler(BaseHTTPRequestHandler):
    server: _ConfigServer

    def do_GET(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        self.server.tokens.append(token)
        allowed = scheme == "Bearer" and self.server.knows(token) == "ana" and self.path == f"/config?uuid={_UUID}"
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(_CONFIG) if allowed else 0))
        self.end_headers()
        self.wfile.write(_CONFIG if allowed else b"")

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at what arrived."""


@contextmanager
def _serving(knows: Callable[[str], str]) -> Iterator[_ConfigServer]:
    with _ConfigServer(knows) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclass
class _Boot:
    """A running `bootgrant acquire`."""

    process: subprocess.Popen[bytes]
    console: Path
    output: Path
    shown: list[str] = field(default_factory=list)

    def said(self) -> str:
        return self.console.read_text()

    def code(self) -> tuple[str, str]:
        """The URL and the code on the console."""
        wait_until(lambda: _VISIT.search(self.said()) or self.process.poll() is not None, "the code is shown")
        shown = _VISIT.search(self.said())
        assert shown is not None, self.said()
        return shown[1], shown[2]

    def delivered(self) -> bytes:
        assert self.process.wait(60) == 0, self.said()
        return self.output.read_bytes()


@contextmanager
def _booting(folder: Path, cmdline: str, *words: str) -> Iterator[_Boot]:
    output, console = folder / "config.yaml", folder / "console"
    command = bootgrant("acquire", "--cmdline", cmdline, "--set", f"uuid={_UUID}", "--output", str(output), *words)
    with console.open("wb") as screen:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=screen, env=clean_environment())
    try:
        yield _Boot(process, console, output)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def oidc() -> Iterator[OidcProvider]:
    with oidc_provider() as provider:
        yield provider


def _oidc_cmdline(server: _ConfigServer, client: str, *parameters: str) -> str:
    own = [f"talos.config={server.url}", f"{_OAUTH}client_id={client}", f"{_OAUTH}scope=openid"]
    return " ".join([*own, f"{_OAUTH}extra_variable=uuid", *parameters])


def _complete(url: str, code: str) -> str:
    return f"{url}?user_code={code}"


@pytest.mark.parametrize("compat", [[], ["--compat", "talos"]], ids=["default", "compat"])
def test_oidc_provider_with_a_public_client(compat: list[str], oidc: OidcProvider, tmp_path: Path) -> None:
    with (
        _serving(oidc.who_has) as server,
        _booting(tmp_path, _oidc_cmdline(server, "machines", oidc.endpoints), *compat) as boot,
    ):
        oidc.approve(_complete(*boot.code()))
        assert boot.delivered() == _CONFIG


@pytest.mark.parametrize("client", ["machines-basic", "machines-post"])
def test_oidc_provider_found_by_its_issuer_with_a_secret_and_pkce(
    client: str, oidc: OidcProvider, tmp_path: Path
) -> None:
    with _serving(oidc.who_has) as server:
        cmdline = _oidc_cmdline(server, client, f"{_OAUTH}client_secret={oidc.client_secret}")
        with _booting(tmp_path, cmdline, "--issuer", oidc.issuer) as boot:
            oidc.approve(_complete(*boot.code()))
            assert boot.delivered() == _CONFIG


def test_oidc_provider_gives_an_id_token_for_the_configuration(oidc: OidcProvider, tmp_path: Path) -> None:
    def subject(token: str) -> str:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["sub"]) if (claims["iss"], claims["aud"]) == (oidc.issuer, "machines") else ""

    with (
        _serving(subject) as server,
        _booting(tmp_path, _oidc_cmdline(server, "machines", oidc.endpoints), "--token", "id") as boot,
    ):
        oidc.approve(_complete(*boot.code()))
        assert boot.delivered() == _CONFIG


def test_oidc_provider_says_that_a_person_refused(oidc: OidcProvider, tmp_path: Path) -> None:
    with (
        _serving(oidc.who_has) as server,
        _booting(tmp_path, _oidc_cmdline(server, "machines", oidc.endpoints), "--on-denial", "exit") as boot,
    ):
        oidc.deny(_complete(*boot.code()))
        assert boot.process.wait(30) == 8
        assert "aborted" in boot.said()
        assert server.tokens == []


def test_a_talos_node_with_a_secret_is_refused_because_it_shows_none_when_it_asks(
    oidc: OidcProvider, tmp_path: Path
) -> None:
    with _serving(oidc.who_has) as server:
        secret = f"{_OAUTH}client_secret={oidc.client_secret}"
        cmdline = _oidc_cmdline(server, "machines-post", oidc.endpoints, secret)
        with _booting(tmp_path, cmdline, "--compat", "talos") as boot:
            assert boot.process.wait(30) != 0
            assert "invalid_client" in boot.said()


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glewlwyd]:
    with glewlwyd(tmp_path_factory.mktemp("glewlwyd")) as provider:
        yield provider


def _glewlwyd_cmdline(server: _ConfigServer, client: str, *parameters: str) -> str:
    own = [f"talos.config={server.url}", f"{_OAUTH}client_id={client}", f"{_OAUTH}scope=machines"]
    return " ".join([*own, f"{_OAUTH}extra_variable=uuid", *parameters])


def test_glewlwyd_with_a_public_client(debian: Glewlwyd, tmp_path: Path) -> None:
    with (
        _serving(debian.who_has) as server,
        _booting(tmp_path, _glewlwyd_cmdline(server, "machines", debian.endpoints)) as boot,
    ):
        url, code = boot.code()
        debian.approve(f"{url}?code={code}")
        assert boot.delivered() == _CONFIG


def test_glewlwyd_found_by_its_issuer_with_a_secret(debian: Glewlwyd, tmp_path: Path) -> None:
    with _serving(debian.who_has) as server:
        cmdline = _glewlwyd_cmdline(server, "machines-secret", f"{_OAUTH}client_secret={debian.client_secret}")
        # glewlwyd answers unauthorized_client, not invalid_client, to a secret in the body: it is told which way to go.
        with _booting(tmp_path, cmdline, "--issuer", debian.issuer, "--client-auth", "basic") as boot:
            url, code = boot.code()
            debian.approve(f"{url}?code={code}")
            assert boot.delivered() == _CONFIG

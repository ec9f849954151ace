"""`bootgrant acquire` with real providers: approved on their own pages, up to the configuration."""

from __future__ import annotations

import base64
import contextlib
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

from bootgrant.acquire.clock import SystemClock
from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.cmdline.settings import OAuthSettings
from bootgrant.acquire.flow.device_flow import DeviceFlow, Rules
from bootgrant.acquire.flow.driver import authorize
from bootgrant.acquire.flow.provider import Provider
from bootgrant.acquire.flow.values import Event, PollToken, Refused, RequestCodes
from bootgrant.acquire.http.transport import Transport
from bootgrant.wire.device_flow import OAuthError
from support.providers import Glewlwyd, OidcProvider, glewlwyd, glewlwyd_runs, oidc_provider
from support.screen import Screen
from support.site import bootgrant, clean_environment, free_port, wait_until

_CONFIG = b"version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==}\ncluster: {}\n"
_UUID = "5d0a7b2e-8a4c-4b8e-9d4a-0123456789ab"
_OAUTH = "talos.config.oauth."
_VISIT = re.compile(r"please visit the URL (\S+) and enter the code (\S+)")
_SLOW_DOWN = Refused(OAuthError("slow_down"))


class _ConfigServer(ThreadingHTTPServer):
    """Serves the configuration for a token whose subject is ana, according to ``knows``."""

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
        """Log nothing."""


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

    def code(self, number: int = 1) -> tuple[str, str]:
        """Return the URL and the code on the console, the ``number``-th that was shown."""
        wait_until(
            lambda: len(_VISIT.findall(self.said())) >= number or self.process.poll() is not None, "the code is shown"
        )
        shown: list[tuple[str, str]] = _VISIT.findall(self.said())
        assert len(shown) >= number, self.said()
        return shown[number - 1]

    def delivered(self) -> bytes:
        assert self.process.wait(60) == 0, self.said()
        return self.output.read_bytes()


def _claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


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


def test_oidc_provider_issues_an_id_token_for_the_configuration(oidc: OidcProvider, tmp_path: Path) -> None:
    def subject(token: str) -> str:
        claims = _claims(token)
        return str(claims["sub"]) if (claims["iss"], claims["aud"]) == (oidc.issuer, "machines") else ""

    with (
        _serving(subject) as server,
        _booting(tmp_path, _oidc_cmdline(server, "machines", oidc.endpoints), "--token", "id") as boot,
    ):
        oidc.approve(_complete(*boot.code()))
        assert boot.delivered() == _CONFIG


@pytest.mark.parametrize("compat", [[], ["--compat", "talos"]], ids=["default", "compat"])
def test_oidc_provider_issues_a_token_for_the_named_audience(
    compat: list[str], oidc: OidcProvider, tmp_path: Path
) -> None:
    def subject(token: str) -> str:
        claims = _claims(token)
        return str(claims["sub"]) if (claims["iss"], claims["aud"]) == (oidc.issuer, "https://config.example/") else ""

    with _serving(subject) as server:
        cmdline = _oidc_cmdline(server, "machines", oidc.endpoints, f"{_OAUTH}audience=https://config.example/")
        with _booting(tmp_path, cmdline, *compat) as boot:
            oidc.approve(_complete(*boot.code()))
            assert boot.delivered() == _CONFIG


@pytest.mark.parametrize(
    "compat", [[], ["--compat", "talos", "--retry-pause", "500ms"]], ids=["default", "compat with a short pause"]
)
def test_oidc_provider_expires_a_code_and_the_next_one_is_approved(compat: list[str], tmp_path: Path) -> None:
    with (
        oidc_provider(code_life=7) as oidc,
        _serving(oidc.who_has) as server,
        _booting(tmp_path, _oidc_cmdline(server, "machines", oidc.endpoints), *compat) as boot,
    ):
        first = boot.code()
        second = boot.code(2)
        assert second != first
        oidc.approve(_complete(*second))
        assert boot.delivered() == _CONFIG


def test_a_restart_of_oidc_provider_loses_its_codes_and_a_new_one_is_shown(tmp_path: Path) -> None:
    port = free_port()
    with oidc_provider(port) as oidc, _serving(oidc.who_has) as server, contextlib.ExitStack() as later:
        boot = later.enter_context(_booting(tmp_path, _oidc_cmdline(server, "machines", oidc.endpoints)))
        first = boot.code()
        oidc.stop()
        again = later.enter_context(oidc_provider(port))
        second = boot.code(2)
        assert second != first
        assert "no longer knows the code" in boot.said()
        again.approve(_complete(*second))
        assert boot.delivered() == _CONFIG


def test_oidc_provider_reports_a_denial(oidc: OidcProvider, tmp_path: Path) -> None:
    with (
        _serving(oidc.who_has) as server,
        _booting(tmp_path, _oidc_cmdline(server, "machines", oidc.endpoints), "--on-denial", "exit") as boot,
    ):
        oidc.deny(_complete(*boot.code()))
        assert boot.process.wait(30) == 8
        assert "aborted" in boot.said()
        assert server.tokens == []


def test_a_talos_node_with_a_secret_is_refused_because_it_sends_none_for_the_codes(
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


@pytest.mark.parametrize("compat", [[], ["--compat", "talos"]], ids=["default", "compat"])
def test_glewlwyd_with_a_public_client(compat: list[str], debian: Glewlwyd, tmp_path: Path) -> None:
    with (
        _serving(debian.who_has) as server,
        _booting(tmp_path, _glewlwyd_cmdline(server, "machines", debian.endpoints), *compat) as boot,
    ):
        url, code = boot.code()
        debian.approve(f"{url}?code={code}")
        assert boot.delivered() == _CONFIG


@pytest.mark.parametrize("words", [[], ["--client-auth", "basic"]], ids=["refused in the body first", "configured"])
def test_glewlwyd_found_by_its_issuer_with_a_secret_and_pkce(
    words: list[str], debian: Glewlwyd, tmp_path: Path
) -> None:
    with _serving(debian.who_has) as server:
        cmdline = _glewlwyd_cmdline(server, "machines-secret", f"{_OAUTH}client_secret={debian.client_secret}")
        with _booting(tmp_path, cmdline, "--issuer", debian.issuer, *words) as boot:
            url, code = boot.code()
            debian.approve(f"{url}?code={code}")
            assert boot.delivered() == _CONFIG


def test_glewlwyd_ignores_an_audience_and_issues_a_token_for_the_scopes(debian: Glewlwyd, tmp_path: Path) -> None:
    with _serving(debian.who_has) as server:
        cmdline = _glewlwyd_cmdline(server, "machines", debian.endpoints, f"{_OAUTH}audience=https://config.example/")
        with _booting(tmp_path, cmdline, "--pkce", "always") as boot:
            url, code = boot.code()
            debian.approve(f"{url}?code={code}")
            assert boot.delivered() == _CONFIG
    assert [_claims(token)["aud"] for token in server.tokens] == ["machines"]


def test_glewlwyd_issues_an_id_token_for_the_configuration(debian: Glewlwyd, tmp_path: Path) -> None:
    def issued_to(token: str) -> str:
        claims = _claims(token)
        return str(claims["name"]) if (claims["iss"], claims["aud"]) == (debian.issuer, "machines") else ""

    with _serving(issued_to) as server:
        cmdline = _glewlwyd_cmdline(server, "machines", debian.endpoints, f"{_OAUTH}scope=openid")
        with _booting(tmp_path, cmdline, "--token", "id") as boot:
            url, code = boot.code()
            debian.approve(f"{url}?code={code}")
            assert boot.delivered() == _CONFIG


def test_glewlwyd_expires_a_code_and_the_next_one_is_approved(tmp_path: Path) -> None:
    with (
        glewlwyd(tmp_path, code_life=6) as debian,
        _serving(debian.who_has) as server,
        _booting(tmp_path, _glewlwyd_cmdline(server, "machines", debian.endpoints)) as boot,
    ):
        first = boot.code()
        second = boot.code(2)
        assert second != first
        assert "the code has expired" in boot.said()
        debian.approve("{}?code={}".format(*second))
        assert boot.delivered() == _CONFIG


def test_glewlwyd_keeps_a_code_across_a_restart(tmp_path: Path) -> None:
    with glewlwyd(tmp_path) as debian, _serving(debian.who_has) as server, contextlib.ExitStack() as later:
        boot = later.enter_context(_booting(tmp_path, _glewlwyd_cmdline(server, "machines", debian.endpoints)))
        url, code = boot.code()
        debian.stop()
        later.enter_context(glewlwyd_runs(tmp_path, debian))
        debian.approve(f"{url}?code={code}")
        assert boot.delivered() == _CONFIG
        assert len(_VISIT.findall(boot.said())) == 1


class _Hasty:
    """Polls a provider too early until it answers slow_down. It counts whole seconds, so the first poll may pass."""

    def __init__(self, provider: Provider, after: Callable[[], None]) -> None:
        self._provider = provider
        self._after = after
        self.answers: list[Event] = []

    def request_codes(self, action: RequestCodes) -> Event:
        return self._provider.request_codes(action)

    def poll(self, action: PollToken) -> Event:
        self.answers.append(self._provider.poll(action))
        if len(self.answers) == 1:
            while self.answers[-1] != _SLOW_DOWN and len(self.answers) < 5:
                self.answers.append(self._provider.poll(action))
            self._after()
        return self.answers[-1]


def test_glewlwyd_slows_down_a_hasty_machine_and_still_issues_the_token(debian: Glewlwyd) -> None:
    endpoints = parse_cmdline(debian.endpoints)
    device, token = (endpoints.first(f"{_OAUTH}{name}") or "" for name in ("device_auth_url", "token_url"))
    settings = OAuthSettings("machines", None, ("machines",), "", device, token, ("uuid",))
    screen, clock = Screen(), SystemClock()
    hasty = _Hasty(
        Provider(Transport(), settings, {"uuid": _UUID}),
        lambda: debian.approve(screen.prompts[0].verification_uri_complete),
    )
    begun = clock.steady()
    found = authorize(DeviceFlow.begin(Rules(), begun), hasty, screen, clock)
    assert _SLOW_DOWN in hasty.answers
    assert clock.steady() - begun > 6
    assert debian.who_has(found.access_token.reveal()) == "ana"

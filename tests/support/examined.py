"""The doctor, run against a server whose answers a test may replace."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bootgrant.doctor.examination import Examination, Options
from bootgrant.doctor.findings import Finding, Level
from bootgrant.doctor.parameters import own_identity
from support.answering_server import AnsweringServer, Asked, Chunks, http, reply
from support.screen import QuickClock

PENDING: Mapping[str, str] = {"error": "authorization_pending"}
NO_TOKEN = http(401, b"no token")
PAGE = http(200, b"type the code")
Given = Callable[[Asked], bytes | Chunks] | bytes


def pending(asked: Asked) -> bytes:
    """Answer as a provider that knows its codes and its clients."""
    if asked.form["client_id"] != "talos":
        return reply(401, {"error": "invalid_client"})
    if asked.form["device_code"] != "device-code":
        return reply(400, {"error": "invalid_grant"})
    return reply(400, PENDING)


@dataclass(slots=True)
class HealthyServer:
    """A server without problems, until a test replaces a field. ``codes`` are members of the code's answer."""

    codes: dict[str, object] = field(default_factory=dict)
    device: Given | None = None
    token: Given = pending
    config: Given = NO_TOKEN
    page: Given = PAGE
    metadata: Given | None = None
    url: str = ""

    def __call__(self, asked: Asked) -> bytes | Chunks:
        path = asked.target.partition("?")[0]
        if path == "/device/code":
            return _given(self.device or reply(200, self._codes()), asked)
        if path.startswith("/.well-known/"):
            return _given(self.metadata or reply(200, self._metadata()), asked)
        return _given({"/token": self.token, "/device": self.page}.get(path, self.config), asked)

    def _codes(self) -> dict[str, object]:
        healthy: dict[str, object] = {
            "device_code": "device-code",
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{self.url}/device",
            "verification_uri_complete": f"{self.url}/d/WDJB-MJHT",
            "expires_in": 600,
            "interval": 1,
        }
        return {name: value for name, value in (healthy | self.codes).items() if value is not None}

    def _metadata(self) -> dict[str, object]:
        return {
            "issuer": self.url,
            "device_authorization_endpoint": f"{self.url}/device/code",
            "token_endpoint": f"{self.url}/token",
        }


def _given(answer: Given, asked: Asked) -> bytes | Chunks:
    return answer(asked) if callable(answer) else answer


@dataclass(slots=True)
class Examined:
    """The doctor's findings, and the requests that it sent."""

    findings: list[Finding]
    asked: list[Asked]
    examination: Examination

    def found(self, code: str) -> Finding:
        """Return the finding with this code."""
        hits = [each for each in self.findings if each.code == code]
        assert hits, self.findings
        return hits[0]

    def bad(self) -> list[str]:
        """The codes of all errors and warnings."""
        return [each.code for each in self.findings if each.level in (Level.ERROR, Level.WARNING)]


def line(url: str, *more: str) -> str:
    """Return a valid kernel command line for a server at ``url``."""
    oauth = "talos.config.oauth."
    words = (f"{oauth}client_id=talos", f"{oauth}device_auth_url={url}/device/code", f"{oauth}token_url={url}/token")
    variables = (f"{oauth}extra_variable=uuid", f"{oauth}extra_variable=mac")
    config = ("talos.platform=metal", f"talos.config={url}/config?uuid=${{uuid}}")
    return " ".join([*config, *words, *variables, *more])


def examined(
    server: HealthyServer | None = None, cmdline: Callable[[str], str] = line, *,
    tls: ssl.SSLContext | None = None, ca: Path | None = None, issuer: str = "", patience: float = 5.0,
    approval: float = 0.0,
) -> Examined:  # fmt: skip
    """Run the whole examination against ``server``."""
    healthy = server or HealthyServer()
    with AnsweringServer(healthy, tls=tls) as listening:
        healthy.url = listening.url
        where = issuer.replace("SERVER", listening.url)
        options = Options(own_identity("a computer"), "wrong", ca, where, patience, approval=approval)
        examination = Examination(options, QuickClock(), lambda _: None)
        examination.run(cmdline(listening.url))
    return Examined(examination.findings, listening.asked, examination)

"""The machine that is played: its parameters, the identity that it claims, and what they say before anybody is asked.

The identity is the same in every run on one computer, so that a second run takes the place of the first one's request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootgrant.acquire.cmdline import lint
from bootgrant.acquire.cmdline.explain import explain
from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline, parse_cmdline
from bootgrant.acquire.cmdline.settings import (
    CLIENT_SECRET,
    CONFIG,
    DEVICE_AUTH_URL,
    EARLY,
    TOKEN_URL,
    ConfigKind,
    OAuthSettings,
    Settings,
    read_settings,
)
from bootgrant.acquire.cmdline.url_template import VARIABLES, populate
from bootgrant.acquire.errors import AcquireError
from bootgrant.acquire.facts import MachineFacts
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, parse_endpoint
from bootgrant.doctor.findings import Finding, Level, Step

_NO_MACHINE: Final = Path("/nonexistent")
_CAREFUL_LENGTH: Final = 2000
_TOLD_OTHERWISE: Final = ("missing-value", "copied-query")
_LEVELS: Final = {
    lint.Level.ERROR: Level.ERROR,
    lint.Level.WARNING: Level.WARNING,
    lint.Level.NOTE: Level.NOTE,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A machine that downloads over HTTP after a device flow. ``values`` are its variables."""

    cmdline: KernelCmdline
    settings: Settings
    oauth: OAuthSettings
    values: Mapping[str, str]
    device: Endpoint
    token: Endpoint
    config: Endpoint

    def told(self) -> dict[str, str]:
        """The variables that go with both requests; what is missing goes empty, as Talos sends it after 90 s.

        What is no variable is left out: a machine would not ask at all, and that is a finding of its own.
        """
        names = (name for name in dict.fromkeys(self.oauth.extra_variables) if name in VARIABLES)
        return {name: self.values.get(name, "") for name in names}

    def endpoints(self) -> dict[str, Endpoint]:
        """What each is called for people, and where it is; each server once."""
        named = {"device endpoint": self.device, "token endpoint": self.token, "configuration": self.config}
        seen: dict[tuple[str, str, int], tuple[str, Endpoint]] = {}
        for name, endpoint in named.items():
            known = seen.get(endpoint.origin)
            seen[endpoint.origin] = (f"{known[0]}, {name}" if known else name, endpoint)
        return dict(seen.values())


def own_identity(computer: str) -> dict[str, str]:
    """Variables that belong to no machine and can be recognised: the same ones for the same ``computer``."""
    digest = hashlib.sha256(computer.encode("utf-8", "surrogateescape")).hexdigest()
    return {
        "uuid": f"d0c70000-0000-4000-8000-{digest[:12]}",
        "serial": f"DOCTOR-{digest[:12].upper()}",
        "mac": f"02:d0:c7:{digest[0:2]}:{digest[2:4]}:{digest[4:6]}",
        "hostname": "bootgrant-doctor",
        "code": "doctor",
    }


def examine_parameters(text: str, values: Mapping[str, str]) -> tuple[Subject | None, list[Finding]]:
    """Read a kernel command line. There is no Subject when nothing can be asked over HTTP with it."""
    cmdline = parse_cmdline(text)
    explanation = explain(cmdline, MachineFacts(_NO_MACHINE, cmdline, values))
    found = [
        Finding(Step.PARAMETERS, _LEVELS[each.level], each.code, each.message, each.fix)
        for each in explanation.findings
        if each.code not in _TOLD_OTHERWISE
    ]
    subject: Subject | None = None
    try:
        subject = _subject(cmdline, values)
    except AcquireError as error:
        if not any(each.level is Level.ERROR for each in found):
            found.append(Finding(Step.PARAMETERS, Level.ERROR, "bad-parameter", error.what, error.next_step))
    if subject is not None:
        found += _traps(subject, text)
    elif not any(each.level is Level.ERROR for each in found):
        found.append(_nothing_to_ask(explanation.oauth is not None))
    if not any(each.level in (Level.ERROR, Level.WARNING) for each in found):
        found.insert(0, Finding(Step.PARAMETERS, Level.OK, "parameters", "the kernel parameters are right"))
    return subject, found


def _subject(cmdline: KernelCmdline, values: Mapping[str, str]) -> Subject | None:
    settings = read_settings(cmdline)
    if settings.oauth is None or settings.kind is not ConfigKind.HTTP:
        return None
    try:
        device, token = parse_endpoint(settings.oauth.device_auth_url), parse_endpoint(settings.oauth.token_url)
        config = parse_endpoint(populate(settings.config_url, values, compat=True))
    except EndpointError:
        return None
    return Subject(cmdline, settings, settings.oauth, values, device, token, config)


def _nothing_to_ask(oauth: bool) -> Finding:
    if oauth:
        return Finding(
            Step.PARAMETERS, Level.ERROR, "nothing-to-ask", f"{CONFIG} or an endpoint is no http or https URL",
            f"write {CONFIG}=https://host/config",
        )  # fmt: skip
    return Finding(
        Step.PARAMETERS, Level.ERROR, "no-oauth", "these parameters ask for no authorization: there is nothing to play",
        "add talos.config.oauth.client_id and its relatives: `bootgrant kernel-args` prints them",
    )  # fmt: skip


def _traps(subject: Subject, text: str) -> Iterator[Finding]:
    """What the parameters mean on a Talos node and no one would guess (design facts of the reference client)."""
    first, told = subject.cmdline.first, subject.told()
    targets = {DEVICE_AUTH_URL: subject.device.target, TOKEN_URL: subject.token.target}
    guessed = {name: target for name, target in targets.items() if first(name) is None}
    if guessed:
        message = f"{' and '.join(guessed)} not given: guessed as {' and '.join(guessed.values())} there"
        yield _note("guessed-endpoints", message, "name both: the path of talos.config is dropped, its query is kept")
    if "serial" in told:
        message = "a Talos node waits 90 s for a serial number that its firmware left empty, and then sends none"
        yield _note("serial-wait", message, "ask for serial only where every board has one")
    if "code" in told:
        message = "the variable code must be typed at the console within 90 s, or it is sent empty"
        yield _note("code-wait", message, "have somebody at the console, or take it out")
    if first(CLIENT_SECRET):
        message = "the client secret can be read in /proc/cmdline, and Talos does not show it when it asks for a code"
        yield _note("secret-on-cmdline", message, "use a public client; it needs no secret")
    if first(EARLY):
        yield _note(
            "early", "talos.config.early needs Talos 1.12 or newer", "older nodes need the authority in the image"
        )
    if len(text.encode("utf-8", "surrogateescape")) > _CAREFUL_LENGTH:
        message = f"the command line has {len(text.encode('utf-8', 'surrogateescape'))} bytes; most kernels keep 2048"
        yield Finding(
            Step.PARAMETERS, Level.WARNING, "long-cmdline", message, "what is behind them is cut off: shorten it"
        )


def _note(code: str, message: str, fix: str) -> Finding:
    return Finding(Step.PARAMETERS, Level.NOTE, code, message, fix)

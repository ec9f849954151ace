"""The machine that the doctor plays, and what its kernel parameters and the server's settings show without a request.

Its identity is the same in every run on one computer, so that a second run replaces the request of the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

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
from bootgrant.acquire.cmdline.url_template import populate
from bootgrant.acquire.errors import AcquireError
from bootgrant.acquire.facts import VARIABLES, MachineFacts
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, parse_endpoint
from bootgrant.doctor.findings import Finding, Level, Step

_NO_MACHINE: Final = Path("/nonexistent")
_CAREFUL_LENGTH: Final = 2000
_NOT_HERE: Final = ("missing-value", "copied-query")
"""Findings of ``acquire --explain`` that depend on the machine, or that the doctor words differently."""

_finding = partial(Finding, Step.PARAMETERS)
_note = partial(Finding, Step.PARAMETERS, Level.NOTE)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that downloads over HTTP after a device flow. ``values`` are its variables."""

    cmdline: KernelCmdline
    settings: Settings
    oauth: OAuthSettings
    values: Mapping[str, str]
    device: Endpoint
    token: Endpoint
    config: Endpoint

    def sent_variables(self) -> dict[str, str]:
        """The variables in both requests; one without a value is empty, as Talos sends it after 90 s.

        Unknown variables are left out. A machine would refuse to start with them, which is a finding of its own.
        """
        names = (name for name in dict.fromkeys(self.oauth.extra_variables) if name in VARIABLES)
        return {name: self.values.get(name, "") for name in names}

    def endpoints(self) -> dict[str, Endpoint]:
        """Each server once, by the names of everything that is on it."""
        named = {"device endpoint": self.device, "token endpoint": self.token, "configuration": self.config}
        seen: dict[tuple[str, str, int], tuple[str, Endpoint]] = {}
        for name, endpoint in named.items():
            known = seen.get(endpoint.origin)
            seen[endpoint.origin] = (f"{known[0]}, {name}" if known else name, endpoint)
        return dict(seen.values())


def own_identity(computer: str) -> dict[str, str]:
    """Variables that no real machine has and that people recognise, always the same for one ``computer``."""
    digest = hashlib.sha256(computer.encode("utf-8", "surrogateescape")).hexdigest()
    return {
        "uuid": f"d0c70000-0000-4000-8000-{digest[:12]}",
        "serial": f"DOCTOR-{digest[:12].upper()}",
        "mac": f"02:d0:c7:{digest[0:2]}:{digest[2:4]}:{digest[4:6]}",
        "hostname": "bootgrant-doctor",
        "code": "doctor",
    }


def examine_parameters(
    text: str, values: Mapping[str, str], *, for_talos: bool = True
) -> tuple[Machine | None, list[Finding]]:
    """Read a kernel command line. The machine is None if it would request nothing over HTTP.

    ``for_talos``: Talos boots with the line, and not another Linux that runs ``bootgrant acquire``.
    """
    cmdline = parse_cmdline(text)
    explanation = explain(cmdline, MachineFacts(_NO_MACHINE, cmdline, values), for_talos=for_talos)
    found = [
        _finding(Level(each.level.value), each.code, each.message, each.fix)
        for each in explanation.findings
        if each.code not in _NOT_HERE
    ]
    machine: Machine | None = None
    try:
        machine = _machine(cmdline, values)
    except AcquireError as error:
        if not any(each.level is Level.ERROR for each in found):
            found.append(_finding(Level.ERROR, "bad-parameter", error.what, error.next_step))
    if machine is not None:
        found += _traps(machine, text)
    elif not any(each.level is Level.ERROR for each in found):
        found.append(_nothing_to_request(uses_oauth=explanation.oauth is not None))
    if not any(each.level in (Level.ERROR, Level.WARNING) for each in found):
        found.insert(0, _finding(Level.OK, "parameters", "the kernel parameters are valid"))
    return machine, found


def examine_networks(networks: Sequence[IPv4Network | IPv6Network]) -> Iterator[Finding]:
    """Check ``networks.machines``, the strongest protection against a code that an attacker requests and sends on."""
    for network in networks:
        if network.prefixlen == 0:
            message = f"networks.machines has {network}: anyone can request a code and send it to an operator"
            yield _finding(Level.WARNING, "open-networks", message, "list only the networks where machines boot")


def _machine(cmdline: KernelCmdline, values: Mapping[str, str]) -> Machine | None:
    settings = read_settings(cmdline)
    if settings.oauth is None or settings.kind is not ConfigKind.HTTP:
        return None
    try:
        device, token = parse_endpoint(settings.oauth.device_auth_url), parse_endpoint(settings.oauth.token_url)
        config = parse_endpoint(populate(settings.config_url, values, compat=True))
    except EndpointError:
        return None
    return Machine(cmdline, settings, settings.oauth, values, device, token, config)


def _nothing_to_request(*, uses_oauth: bool) -> Finding:
    if uses_oauth:
        message = f"{CONFIG}, or an endpoint, is not an http or https URL"
        return _finding(Level.ERROR, "nothing-to-ask", message, f"write {CONFIG}=https://host/config")
    message = "these parameters use no authorization, so there is nothing to check"
    fix = "add talos.config.oauth.client_id and the others: `bootgrant kernel-args` prints them"
    return _finding(Level.ERROR, "no-oauth", message, fix)


def _traps(machine: Machine, text: str) -> Iterator[Finding]:
    """Effects that the parameters have on a Talos node and that nobody would guess."""
    first, sent = machine.cmdline.first, machine.sent_variables()
    targets = {DEVICE_AUTH_URL: machine.device.target, TOKEN_URL: machine.token.target}
    missing = {name: target for name, target in targets.items() if first(name) is None}
    if missing:
        message = f"{' and '.join(missing)} missing: Talos guesses {' and '.join(missing.values())}"
        yield _note("guessed-endpoints", message, "name both: the path of talos.config is dropped, its query is kept")
    if "serial" in sent:
        message = "a Talos node waits 90 s for a serial number that its firmware left empty, and then sends none"
        yield _note("serial-wait", message, "ask for serial only where every board has one")
    if "code" in sent:
        message = "the variable code must be typed at the console within 90 s, or it is sent empty"
        yield _note("code-wait", message, "have a person at the console, or remove it")
    if first(CLIENT_SECRET):
        message = "anyone on the machine can read the client secret in /proc/cmdline; Talos sends it only for the token"
        yield _note("secret-on-cmdline", message, "use a public client, which needs no secret")
    if first(EARLY):
        message = "talos.config.early needs Talos 1.12 or newer"
        yield _note("early", message, "for older nodes, put the authority into the image")
    length = len(text.encode("utf-8", "surrogateescape"))
    if length > _CAREFUL_LENGTH:
        message = f"the command line has {length} bytes; most kernels cut it off after 2048"
        yield _finding(Level.WARNING, "long-cmdline", message, "shorten it")

"""All steps of one machine in order. A step that cannot be taken is reported, and the others are still taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.cmdline.inline import trusted_roots
from bootgrant.acquire.errors import AcquireError
from bootgrant.acquire.http.endpoint import Endpoint
from bootgrant.acquire.http.transport import Transport
from bootgrant.doctor.client import Answer, Client
from bootgrant.doctor.configuration import examine_configuration
from bootgrant.doctor.connection import Trust, examine_clock, examine_network, examine_tls
from bootgrant.doctor.findings import Finding, Level, PendingRequest, Step
from bootgrant.doctor.parameters import Machine, examine_parameters
from bootgrant.doctor.polls import DECIDED, examine_polls
from bootgrant.doctor.provider import examine_codes, examine_discovery, examine_page
from bootgrant.doctor.token import examine_approval
from bootgrant.wire.device_flow import DeviceAuthorization


@dataclass(frozen=True, slots=True)
class Options:
    """``values`` are the machine's variables, ``ca`` is a PEM file, ``patience`` seconds that a poll may be held.

    ``wrong_token`` is a random text that no provider has issued. ``for_talos``: Talos boots with the parameters,
    and not another Linux that runs ``bootgrant acquire``. ``approval``: seconds to wait for a person's approval.
    """

    values: Mapping[str, str]
    wrong_token: str
    ca: Path | None = None
    issuer: str = ""
    patience: float = 65.0
    for_talos: bool = True
    approval: float = 0.0


@dataclass(slots=True)
class Examination:
    """One run. ``findings`` grows while it runs; ``pending`` is the request that is left waiting."""

    options: Options
    clock: Clock
    progress: Callable[[str], None]
    findings: list[Finding] = field(default_factory=list)
    pending: PendingRequest | None = None

    def run(self, cmdline: str) -> None:
        """Check everything about a machine with this kernel command line. Raises BadParameter."""
        machine, found = examine_parameters(cmdline, self.options.values, for_talos=self.options.for_talos)
        self.findings += found
        if machine is None:
            return
        trust = self._trust(machine)
        origins = {
            endpoint.origin for name, endpoint in machine.endpoints().items() if self._is_usable(name, endpoint, trust)
        }
        client = Client(Transport(ca=trust.given, authorities=trust.early))
        if machine.device.origin in origins:
            self._request_token(machine, client, origins)
        if machine.config.origin in origins:
            self.progress("requesting the configuration without a valid token")
            self.findings += examine_configuration(machine, client, self.options.wrong_token)

    def _trust(self, machine: Machine) -> Trust:
        if machine.settings.early is None:
            return Trust(given=self.options.ca)
        try:
            trust = Trust(trusted_roots(machine.settings.early), self.options.ca)
            trust.of_machine()
        except AcquireError as error:
            self.findings.append(Finding(Step.PARAMETERS, Level.ERROR, "early", error.what, error.next_step))
            return Trust(given=self.options.ca)
        return trust

    def _is_usable(self, name: str, endpoint: Endpoint, trust: Trust) -> bool:
        """Check a server; return whether to continue with it, even if only this computer trusts it."""
        self.progress(f"checking {endpoint.shown()}")
        found = list(examine_network(name, endpoint))
        if endpoint.scheme == "https" and not any(each.level is Level.ERROR for each in found):
            found += examine_tls(name, endpoint, trust, self.clock.unix())
        self.findings += found
        return all(each.code == "authority-known-here-only" for each in found if each.level is Level.ERROR)

    def _request_token(self, machine: Machine, client: Client, origins: set[tuple[str, str, int]]) -> None:
        metadata, found = examine_discovery(machine, client, self.options.issuer)
        self.findings += found
        self.progress("requesting a code")
        codes, answer, found = examine_codes(machine, client)
        self._compare_clocks(answer or metadata)
        self.findings += found
        if codes is None:
            return
        self.pending = PendingRequest(codes.user_code, codes.expires_in)
        self.findings += examine_page(codes, client)
        if machine.token.origin in origins:
            self._poll(machine, codes, client)

    def _poll(self, machine: Machine, codes: DeviceAuthorization, client: Client) -> None:
        """Poll before anybody has decided, and then, if that is wanted, until a person has."""
        options = self.options
        polled = list(examine_polls(machine, codes, client, self.clock, options.patience, self.progress))
        if options.approval and not any(each.level is Level.ERROR or each.code in DECIDED for each in polled):
            polled += examine_approval(machine, codes, client, self.clock, options.approval, self.progress)
        self.findings += polled
        if any(each.code in DECIDED for each in polled):
            self.pending = None

    def _compare_clocks(self, answer: Answer | None) -> None:
        found = None if answer is None else examine_clock(answer.response.header("date"), self.clock.unix())
        if found is not None:
            self.findings.append(found)

"""The whole way of one machine, step by step; a step that cannot be taken says so once, and the others still are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.errors import AcquireError
from bootgrant.acquire.http.early_trust import trusted_roots
from bootgrant.acquire.http.endpoint import Endpoint
from bootgrant.acquire.http.transport import Transport
from bootgrant.doctor.asking import Asker, Heard
from bootgrant.doctor.certificates import Trust, examine_clock, examine_tls
from bootgrant.doctor.codes import examine_codes, examine_page
from bootgrant.doctor.configuration import examine_configuration
from bootgrant.doctor.discovery import examine_discovery
from bootgrant.doctor.findings import Finding, Level, PendingRequest, Step
from bootgrant.doctor.network import examine_network
from bootgrant.doctor.polls import DECIDED, examine_polls
from bootgrant.doctor.subject import Subject, examine_parameters


@dataclass(frozen=True, slots=True)
class Wishes:
    """``values`` are the machine's variables, ``ca`` a PEM file, ``patience`` seconds that a poll may be held.

    ``wrong_token`` is a random text that no provider ever gave.
    """

    values: Mapping[str, str]
    wrong_token: str
    ca: Path | None = None
    issuer: str = ""
    patience: float = 65.0


@dataclass(slots=True)
class Examination:
    """One run. ``findings`` grow while it goes; ``pending`` is the request that stays behind."""

    wishes: Wishes
    clock: Clock
    say: Callable[[str], None]
    findings: list[Finding] = field(default_factory=list)
    pending: PendingRequest | None = None

    def run(self, cmdline: str) -> None:
        """Everything that can be found out about a machine with this kernel command line. Raises BadParameter."""
        subject, found = examine_parameters(cmdline, self.wishes.values)
        self.findings += found
        if subject is None:
            return
        trust = self._trust(subject)
        reached = {
            name: endpoint for name, endpoint in subject.endpoints().items() if self._reaches(name, endpoint, trust)
        }
        origins = {endpoint.origin for endpoint in reached.values()}
        asker = Asker(Transport(ca=trust.given, authorities=trust.early))
        if subject.device.origin in origins:
            self._ask_for_access(subject, asker, origins)
        if subject.config.origin in origins:
            self.say("asking for the configuration as a stranger")
            self.findings += examine_configuration(subject, asker, self.wishes.wrong_token)

    def _trust(self, subject: Subject) -> Trust:
        if subject.settings.early is None:
            return Trust(given=self.wishes.ca)
        try:
            trust = Trust(trusted_roots(subject.settings.early), self.wishes.ca)
            trust.of_machine()
            return trust
        except AcquireError as error:
            self.findings.append(Finding(Step.PARAMETERS, Level.ERROR, "early", error.what, error.next_step))
            return Trust(given=self.wishes.ca)

    def _reaches(self, name: str, endpoint: Endpoint, trust: Trust) -> bool:
        """Whether it makes sense to go on with this server; a certificate of --ca is good enough for that."""
        self.say(f"looking at {endpoint.shown()}")
        found = list(examine_network(name, endpoint))
        if endpoint.scheme == "https" and not _errors(found):
            found += examine_tls(name, endpoint, trust, self.clock.unix())
        self.findings += found
        return all(each.code == "authority-known-here-only" for each in found if each.level is Level.ERROR)

    def _ask_for_access(self, subject: Subject, asker: Asker, origins: set[tuple[str, str, int]]) -> None:
        heard, found = examine_discovery(subject, asker, self.wishes.issuer)
        self.findings += found
        self.say("asking for a code")
        codes, answer, found = examine_codes(subject, asker)
        self.findings += self._clocks(answer or heard)
        self.findings += found
        if codes is None:
            return
        self.pending = PendingRequest(codes.user_code, codes.expires_in)
        self.findings += examine_page(codes, asker)
        if subject.token.origin in origins:
            polled = list(examine_polls(subject, codes, asker, self.clock, self.wishes.patience, self.say))
            self.findings += polled
            if any(each.code in DECIDED for each in polled):
                self.pending = None

    def _clocks(self, heard: Heard | None) -> list[Finding]:
        if heard is None:
            return []
        found = examine_clock(heard.response.header("date"), self.clock.unix())
        return [found] if found is not None else []


def _errors(found: list[Finding]) -> bool:
    return any(each.level is Level.ERROR for each in found)

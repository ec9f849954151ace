"""What the doctor found, where, and what to do about it; as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from bootgrant.wire.go_text import printable


class Level(StrEnum):
    """OK: checked and fine. NOTE: good to know. WARNING: works, but causes trouble. ERROR: no machine gets through."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Step(StrEnum):
    """The steps of a machine, in order, and then what a server needs from identity providers."""

    PARAMETERS = "kernel parameters"
    NETWORK = "network"
    TLS = "TLS and clock"
    DISCOVERY = "discovery"
    CODES = "requesting a code"
    POLLS = "requesting the token"
    CONFIGURATION = "configuration"
    SIGN_IN = "sign-in of people"
    PROVIDERS = "tokens of other providers"


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` is stable, for programs; ``message`` and ``fix`` are for people. None of them has a secret in it."""

    step: Step
    level: Level
    code: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """The request that is left waiting. ``expires_in`` is in seconds, None if the provider sets no limit."""

    user_code: str
    expires_in: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about ``about``, a URL or a file. ``complete`` is false if the doctor was interrupted."""

    about: str
    findings: Sequence[Finding]
    pending: PendingRequest | None
    complete: bool = True

    def count(self, level: Level) -> int:
        return sum(each.level is level for each in self.findings)

    def as_json(self) -> dict[str, object]:
        """Return the report for ``json.dumps``; the keys are part of the interface."""
        return {
            "about": self.about,
            "complete": self.complete,
            "errors": self.count(Level.ERROR),
            "warnings": self.count(Level.WARNING),
            "pending": asdict(self.pending) if self.pending else None,
            "findings": [asdict(each) for each in self.findings],
        }

    def lines(self) -> Iterator[str]:
        """Yield the text: a paragraph for each step, and a summary."""
        for step in Step:
            here = [each for each in self.findings if each.step is step]
            if here:
                yield step.value
                for each in here:
                    # Parts of these texts come from servers and certificates: they must not control a terminal.
                    yield f"  {each.level.value:8}{printable(each.message)} [{each.code}]"
                    if each.fix:
                        yield f"          -> {printable(each.fix)}"
                yield ""
        if self.pending is not None:
            yield _pending_line(self.pending)
        yield self.summary()

    def summary(self) -> str:
        errors, warnings = self.count(Level.ERROR), self.count(Level.WARNING)
        if errors:
            return f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}: {self._broken()}"
        if not self.complete:
            return f"interrupted; {_counted(warnings, 'warning')} so far"
        if warnings:
            return f"{_counted(warnings, 'warning')}: a machine will get through, but expect trouble"
        return "no problems: a machine will get through once a person approves it"

    def _broken(self) -> str:
        """Say what does not work: problems with an identity provider do not stop a machine that uses none."""
        steps = {each.step for each in self.findings if each.level is Level.ERROR}
        if steps <= {Step.SIGN_IN, Step.PROVIDERS}:
            return "people or tokens of an identity provider will not get through"
        return "a machine will not get through"


def _pending_line(pending: PendingRequest) -> str:
    expiry = "never expires: deny it" if pending.expires_in is None else f"expires within {pending.expires_in} s"
    return f"One request is left waiting, with the code {printable(pending.user_code)}: do not approve it, it {expiry}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

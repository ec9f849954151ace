"""The findings for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bootgrant.doctor.findings import Finding, Level, PendingRequest, Step
from bootgrant.wire.go_text import printable


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about ``about``, a URL or a file; not ``complete`` when somebody stopped the doctor."""

    about: str
    findings: Sequence[Finding]
    pending: PendingRequest | None
    complete: bool = True

    def count(self, level: Level) -> int:
        return sum(each.level is level for each in self.findings)

    def as_json(self) -> dict[str, object]:
        """For ``json.dumps``; the keys are part of the interface."""
        pending = None
        if self.pending is not None:
            pending = {"user_code": self.pending.user_code, "expires_in": self.pending.expires_in}
        return {
            "about": self.about,
            "complete": self.complete,
            "errors": self.count(Level.ERROR),
            "warnings": self.count(Level.WARNING),
            "pending": pending,
            "findings": [
                {
                    "step": each.step.value,
                    "level": each.level.value,
                    "code": each.code,
                    "message": each.message,
                    "fix": each.fix,
                }
                for each in self.findings
            ],
        }

    def lines(self) -> Iterator[str]:
        """One paragraph per step, in the order of a machine's way."""
        for step in Step:
            here = [each for each in self.findings if each.step is step]
            if here:
                yield f"{step.value}"
                for each in here:
                    # Servers and certificates have a say in these texts: none of it may steer a terminal.
                    yield f"  {each.level.value:8}{printable(each.message)} [{each.code}]"
                    if each.fix:
                        yield f"          -> {printable(each.fix)}"
                yield ""
        if self.pending is not None:
            yield self._pending_line(self.pending)
        yield self.summary()

    def summary(self) -> str:
        """One line: how it looks."""
        errors, warnings = self.count(Level.ERROR), self.count(Level.WARNING)
        if errors:
            return f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}: a machine does not get through"
        if not self.complete:
            return f"stopped before the end; {_counted(warnings, 'warning')} so far"
        if warnings:
            return f"{_counted(warnings, 'warning')}: a machine gets through, and something will bite"
        return "nothing wrong: a machine gets through once a person approves"

    def _pending_line(self, pending: PendingRequest) -> str:
        life = (
            "has no end: refuse it"
            if pending.expires_in is None
            else f"expires by itself within {pending.expires_in} s"
        )
        return f"One request stays behind, with the code {printable(pending.user_code)}: do not approve it, it {life}."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

"""Which entries of a revision can be served, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootgrant.machines.site.findings import Finding, SiteBroken, errors
from bootgrant.ports.configurations import CONTROL_PLANE


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of trying an entry; ``problem`` is why it cannot be served, None if it can."""

    machine_type: str = ""
    uses_machine: bool = False
    warnings: tuple[Finding, ...] = ()
    problem: SiteBroken | None = None
    mints: tuple[str, ...] = ()
    """The variables in it whose values are made at delivery."""
    precious: tuple[str, ...] = ()

    @property
    def is_precious(self) -> bool:
        """Whether two people must approve it, judged by a sample (ports.configurations.MachineEntry)."""
        return self.machine_type in CONTROL_PLANE or bool(self.precious)


class Judged:
    """A revision with findings about its files, and a verdict for each entry by name."""

    findings: Sequence[Finding]
    verdicts: Mapping[str, Verdict]

    @property
    def broken(self) -> set[str]:
        """The names of entries that cannot be served."""
        return {name for name, verdict in self.verdicts.items() if verdict.problem is not None}

    def troubles(self) -> set[str]:
        """A name for everything that is wrong, the same in each revision until it is fixed."""
        return self.broken | {f"{finding.rule} {finding.file} {finding.entry}" for finding in errors(self.findings)}

    def problems(self) -> list[Finding]:
        """Every error, the site's own first."""
        found = errors(self.findings)
        for verdict in self.verdicts.values():
            found += verdict.problem.findings if verdict.problem else ()
        return list(dict.fromkeys(found))

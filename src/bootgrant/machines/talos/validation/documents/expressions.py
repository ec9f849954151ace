"""Expressions in CEL, with which disks, volumes, links and cgroups are selected."""

from __future__ import annotations

from bootgrant.machines.talos.validation.documents.rules import Rule, Section


def expression(name: str, environment: str, wanted: str = "bool", *, is_needed: bool = False) -> Rule:
    """A text that compiles in an environment of Talos to exactly the wanted type."""

    def run(section: Section) -> None:
        if section.text(name):
            place = section.place(name)
            section.report.unchecked.append(f"{place}: whether it compiles to {wanted} in CEL ({environment})")
        elif is_needed:
            section.refuse(name, "must be set: write an expression in CEL")

    return run

"""Expressions in CEL, with which disks, volumes, links and cgroups are selected."""

from __future__ import annotations

from bootgrant.machines.talos.cel import CelError, CelUnchecked, compile_type
from bootgrant.machines.talos.validation.documents.rules import Rule, Section


def expression(name: str, environment: str, wanted: str = "bool", *, is_needed: bool = False) -> Rule:
    """A text that compiles in an environment of Talos to exactly the wanted type."""

    def run(section: Section) -> None:
        text = section.text(name)
        if text:
            _compile(section, name, environment, wanted)
        elif is_needed:
            section.refuse(name, "must be set: write an expression in CEL")

    return run


def _compile(section: Section, name: str, environment: str, wanted: str) -> None:
    try:
        found = compile_type(section.text(name), environment, section.report.release)
    except CelUnchecked as error:
        section.report.unchecked.append(f"{section.place(name)}: {error}")
    except CelError as error:
        section.refuse(name, f"is not valid CEL: {error}")
    else:
        if found != wanted:
            section.refuse(name, f"must be an expression of the type {wanted}, this one has the type {found}")

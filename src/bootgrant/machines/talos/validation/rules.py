"""Rules as data: a check, and the Talos releases that have it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from bootgrant.machines.talos.validation.documents.rules import release_number
from bootgrant.machines.talos.validation.report import Check, Report


@dataclass(frozen=True, slots=True)
class Rule:
    """``since`` is the first release with the check, ``until`` the first one without it; empty for no bound."""

    check: Check
    since: str = ""
    until: str = ""


@cache
def is_between(release: str, since: str = "", until: str = "") -> bool:
    """Whether a release such as ``1.12`` is ``since`` or newer, and older than ``until``."""
    number = release_number(release)
    return (not since or release_number(since) <= number) and (not until or number < release_number(until))


def run(rules: Iterable[Rule], value: dict[str, Any], report: Report) -> None:
    """Run the checks that the release of the report has."""
    for rule in rules:
        if is_between(report.release, rule.since, rule.until):
            rule.check(value, report)


def at(value: Any, path: str) -> Any:
    """Return the value at a path of keys such as ``machine.network``; None if it, or anything before it, is absent."""
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value

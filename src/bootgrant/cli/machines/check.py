"""Render and check every machine configuration before a machine needs it.

Errors keep an entry from being served. Warnings need a person's attention: ties, entries that no machine can get,
unused layers, secrets in clear, control planes selected by a pattern, patches that hardly do what their author meant.
Notes say what only a machine can check. For CI, the exit status is 1 when there is an error, and 0 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootgrant.cli.machines import add_site_arguments, reporting, site_of

if TYPE_CHECKING:
    from bootgrant.machines.site.findings import Finding
    from bootgrant.service.commands.machines import Checked

_ALIKE = 3
_GITHUB = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_site_arguments(parser)
    parser.add_argument(
        "--format", choices=("text", "json", "sarif", "github"), default="text",
        help="sarif for code scanning, github for annotations in a GitHub workflow (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the same as --format json; an error is JSON as well")
    parser.add_argument("--strict", action="store_true", help="treat warnings as errors")


@reporting
def run(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.machines import check

    checked = check(site_of(args))
    errors, warnings, _ = _counts(checked)
    match "json" if args.json else args.format:
        case "json":
            print(json.dumps(as_json(checked), indent=2))
        case "sarif":
            print(json.dumps(as_sarif(checked), indent=2))
        case "github":
            print("\n".join(github_line(checked, finding) for finding in checked.findings))
        case _:
            print("\n".join(text_lines(checked)))
    return 1 if errors or (args.strict and warnings) else 0


def _counts(checked: Checked) -> tuple[int, int, int]:
    """Return the numbers of errors, warnings and notes."""
    levels = Counter(finding.level.value for finding in checked.findings)
    return levels["error"], levels["warning"], levels["note"]


def text_lines(checked: Checked) -> list[str]:
    """One line per finding, only the first few of repeated ones, and a summary."""
    alike = Counter((finding.rule, finding.message) for finding in checked.findings)
    shown: Counter[tuple[str, str]] = Counter()
    lines = []
    for finding in checked.findings:
        key = (finding.rule, finding.message)
        shown[key] += 1
        if shown[key] <= _ALIKE:
            more = f" (and {alike[key] - _ALIKE} more of the same)" if shown[key] == _ALIKE < alike[key] else ""
            lines.append(f"{finding.level.value:7}  {finding.with_entry}{more}")
    errors, warnings, notes = _counts(checked)
    outcome = f"{_count(checked.entries, 'entry')}, {_count(errors, 'error')}, {_count(warnings, 'warning')}"
    outcome += f", {_count(notes, 'note')}" if notes else ""
    return [*lines, outcome + (f", {checked.revision}" if checked.revision else "")]


def as_json(checked: Checked) -> Mapping[str, Any]:
    """The findings under stable names, for programs."""
    errors, warnings, notes = _counts(checked)
    return {
        "entries": checked.entries,
        "revision": checked.revision,
        "errors": errors,
        "warnings": warnings,
        "notes": notes,
        "findings": [asdict(finding) | {"level": finding.level.value} for finding in checked.findings],
    }


def as_sarif(checked: Checked) -> Mapping[str, Any]:
    """The findings in SARIF 2.1.0, for code scanning."""
    rules = sorted({finding.rule for finding in checked.findings})
    driver = {"name": "bootgrant check", "rules": [{"id": rule} for rule in rules]}
    results = [
        {
            "ruleId": finding.rule,
            "level": finding.level.value,
            "message": {"text": finding.with_entry if not finding.file else finding.message},
            "locations": [_location(checked, finding)],
        }
        for finding in checked.findings
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _location(checked: Checked, finding: Finding) -> Mapping[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _path(checked, finding)}}
    if finding.line:
        place["region"] = {"startLine": finding.line}
    return {"physicalLocation": place}


def github_line(checked: Checked, finding: Finding) -> str:
    """A workflow command of GitHub Actions, which shows the finding at its line."""
    line = f",line={finding.line}" if finding.line else ""
    where = _escaped(_path(checked, finding), _GITHUB)
    message = _escaped(finding.with_entry, {key: _GITHUB[key] for key in "%\r\n"})
    command = "notice" if finding.level.value == "note" else finding.level.value
    return f"::{command} file={where}{line},title=bootgrant {finding.rule}::{message}"


def _path(checked: Checked, finding: Finding) -> str:
    """The path relative to the current folder, as programs that read the findings expect."""
    return Path(os.path.relpath(checked.place / finding.file)).as_posix()


def _escaped(text: str, replaced: Mapping[str, str]) -> str:
    return "".join(replaced.get(char, char) for char in text)


def _count(number: int, noun: str) -> str:
    several = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun}" if number == 1 else f"{number or 'no'} {several}"

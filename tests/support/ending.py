"""How a run of the tests ends: one list of what was not tested and why, and the names of the tests that failed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

FAILED_TESTS = "BOOTGRANT_FAILED_TESTS"
"""The environment variable with the path of the file for the names of the tests that failed (tools/run_tests.py)."""


def report(stats: Mapping[str, Sequence[object]], write: pytest.TerminalReporter) -> None:
    """Write the list, and the file if one is asked for. ``stats`` are the reports of the run by outcome."""
    skipped = [report for report in stats.get("skipped", ()) if isinstance(report, pytest.TestReport)]
    reasons = Counter(_reason(report) for report in skipped)
    if reasons:
        write.section("not tested here")
        for reason, count in reasons.most_common():
            write.line(f"{count} {'test' if count == 1 else 'tests'}: {reason}")
    if path := os.environ.get(FAILED_TESTS):
        both = [*stats.get("failed", ()), *stats.get("error", ())]
        names = {report.nodeid for report in both if isinstance(report, pytest.TestReport)}
        unnamed = [report for report in both if not isinstance(report, pytest.TestReport)]
        Path(path).write_text("\n".join(sorted(names)) if not unnamed else "")


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").strip().splitlines()[0]

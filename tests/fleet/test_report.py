from __future__ import annotations

import json
import re

import pytest

from bootgrant.fleet.observations import Observations, Step
from bootgrant.fleet.page import as_page
from bootgrant.fleet.rehearsal import Load, Rehearsed
from bootgrant.fleet.report import Report, as_json, as_text, build_report, percentiles
from bootgrant.fleet.scenario import Curve, Decisions, Scenario


def report_of(seen: Observations, machines: int, load: Load | None = None) -> Report:
    scenario = Scenario(machines, 2.0, Curve.EVEN, Decisions())
    return build_report(Rehearsed(scenario, seen, 4.0, load or Load()), "0a1b2c3d", "http://boot.example")


@pytest.fixture
def seen() -> Observations:
    """Two machines: one got its configuration 30 ms after its approval, the other is waiting with its second code."""
    seen = Observations(2)
    first, second = seen.journeys
    first.booted_at, first.shown_at, first.codes, first.polls = 0.0, 0.01, 1, 1
    first.approved_at, first.token_at, first.config_at = 3.0, 3.02, 3.03
    second.booted_at, second.shown_at, second.codes, second.polls = 1.0, 1.01, 2, 4
    for step, ended, took, outcome in (
        (Step.CODES, 0.01, 0.01, "codes"),
        (Step.CODES, 1.01, 0.01, "codes"),
        (Step.TOKEN, 3.02, 2.0, "token"),
        (Step.TOKEN, 3.9, 0.004, "<b>status 503</b>"),
        (Step.CONFIG, 3.03, 0.01, "configuration"),
    ):
        seen.begin()
        seen.end(step, ended, took, outcome)
    seen.problems["POST /token: <b>status 503</b>"] += 1
    return seen


def test_a_report_counts_the_machines_at_each_milestone_and_their_waits(seen: Observations) -> None:
    report = report_of(seen, 2)
    assert (report.booted, report.shown, report.approved, report.delivered) == (2, 2, 1, 1)
    assert report.new_codes == 1
    assert report.approval_to_config is not None
    assert report.approval_to_config.most == pytest.approx(0.03)
    assert report.steps["POST /token"].held == 1
    assert not report.complete


def test_the_timeline_adds_up_to_the_totals(seen: Observations) -> None:
    timeline = report_of(seen, 2).timeline
    assert (timeline[-1].booted, timeline[-1].delivered) == (2, 1)
    assert sum(sample.requests["POST /token"] for sample in timeline) == 2
    assert timeline[0].shown == 1


def test_the_text_begins_with_the_result_and_ends_with_the_problems(seen: Observations) -> None:
    text = as_text(report_of(seen, 2))
    assert text.startswith("1 of 2 machines have their configuration after 4.0 s\n")
    assert text.endswith("     1 x POST /token: <b>status 503</b>\n")


def test_the_json_has_the_result_and_the_scenario(seen: Observations) -> None:
    members = json.loads(json.dumps(as_json(report_of(seen, 2))))
    assert members["delivered"] == 1
    assert members["complete"] is False
    assert members["troubles"] == {"POST /token: <b>status 503</b>": 1}
    assert members["scenario"]["kind"] == "talos"


def test_the_page_loads_nothing_and_escapes_the_answers_of_servers(seen: Observations) -> None:
    page = as_page(report_of(seen, 2))
    assert not re.search(r"<(script|link|img|iframe|object)|@import|url\(|src=|href=", page)
    assert "default-src 'none'" in page
    assert "<b>" not in page
    assert page.count("<svg") == page.count("</svg>") == 4


def test_a_rehearsal_without_any_request_has_a_report() -> None:
    report = report_of(Observations(1), 1)
    assert "no machine got this far" in as_text(report)
    assert "0 of 1 machines" in as_page(report)


def test_a_report_warns_if_the_simulation_was_too_slow() -> None:
    assert "95% of a core" in report_of(Observations(1), 1, Load(cpu=3.8)).doubt
    assert "300 ms late" in as_text(report_of(Observations(1), 1, Load(latest=0.3)))
    assert report_of(Observations(1), 1, Load(1.0, 0.01)).doubt == ""


def test_percentiles_are_values_that_were_measured() -> None:
    found = percentiles([0.001 * count for count in range(1, 101)])
    assert found is not None
    assert (found.count, round(found.p50, 3), round(found.p99, 3), round(found.most, 3)) == (100, 0.051, 0.1, 0.1)
    assert percentiles([]) is None

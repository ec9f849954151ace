"""Tables on a terminal: they fit, and colors and signs are used only where they can be shown."""

from __future__ import annotations

import io
import re

import pytest

from bootgrant.cli.client.queue import colors, listed, row
from bootgrant.cli.client.watch import frame
from bootgrant.cli.output import Json
from bootgrant.cli.screen import Screen, screen_of

HEAD = ("CODE", "FROM", "CONFIGURATION", "REPORTED BY THE MACHINE")
ROWS = [("GNFZ-QTTN", "10.20.0.11", "c" * 60, "m" * 60), ("KQXZ-PRLV", "10.20.0.12", "short", "shorter")]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class AsciiTerminal(Terminal):
    encoding = "ascii"


def request(**members: object) -> Json:
    return {
        "id": "1",
        "code": "GNFZ-QTTN",
        "state": "pending",
        "identity": {"uuid": "40dcbd19-3b10-444e-bfff-aaee44a51fda"},
        "address": "10.20.0.11",
        "network": "",
        "age": 42.0,
        "left": 558.0,
        "entry": None,
        "problem": "no configuration: add one",
        "standing": "unknown",
        "alike": [],
        "assigned_by": None,
        "needed": 1,
        "votes": [],
        "void_votes": [],
        "evidence": [],
        "undelivered": None,
        **members,
    }


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = Screen(width, has_signs=True).table(HEAD, ROWS).splitlines()
    assert max(map(len, lines)) <= width
    assert [line[:9] for line in lines[1:]] == ["GNFZ-QTTN", "KQXZ-PRLV"]


def test_the_widest_columns_are_cut_first_and_show_that_they_were() -> None:
    line = Screen(80, has_signs=True).table(HEAD, ROWS).splitlines()[1]
    assert line.startswith("GNFZ-QTTN  10.20.0.11  ccc")
    assert line.count("…") == 2


def test_a_file_gets_the_whole_text_without_escape_sequences() -> None:
    screen = screen_of(io.StringIO(), "auto", {"TERM": "xterm"})
    text = screen.table(HEAD, ROWS, [{0: "32"}, {}])
    assert (screen, "\x1b" in text) == (Screen(), False)
    assert f"GNFZ-QTTN  10.20.0.11  {'c' * 60}  {'m' * 60}" in text


@pytest.mark.parametrize(
    ("color", "environ", "expected"),
    [
        ("auto", {"TERM": "xterm"}, True),
        ("auto", {"TERM": "xterm", "NO_COLOR": ""}, True),
        ("auto", {"TERM": "xterm", "NO_COLOR": "1"}, False),
        ("auto", {"TERM": "dumb"}, False),
        ("auto", {}, False),
        ("never", {"TERM": "xterm"}, False),
        ("always", {"TERM": "dumb", "NO_COLOR": "1"}, True),
    ],
)
def test_colors_are_used_where_they_are_wanted(color: str, environ: dict[str, str], *, expected: bool) -> None:
    assert screen_of(Terminal(), color, environ).has_color is expected


def test_signs_need_a_terminal_that_can_show_them() -> None:
    found = [
        screen_of(out, "auto", {"TERM": "xterm"}).has_signs for out in (Terminal(), AsciiTerminal(), io.StringIO())
    ]
    assert found == [True, False, False]


@pytest.mark.parametrize(
    ("standing", "shown", "color"),
    [
        ("expected", "✓ expected", "32"),
        ("mismatch", "▲ mismatch", "1;33"),
        ("pattern", "≈ matched by pattern", "33"),
        ("assigned", "+ assigned by ana", "33"),
        ("unknown", "? unknown", "2"),
    ],
)
def test_a_verdict_has_a_sign_a_word_and_a_color(standing: str, shown: str, color: str) -> None:
    one = request(standing=standing, assigned_by="ana" if standing == "assigned" else None)
    assert row(one, Screen(has_signs=True))[3] == shown
    assert row(one, Screen())[3] == shown[2:]
    assert colors(one)[3] == color


def test_what_a_machine_reports_cannot_control_the_terminal() -> None:
    one = request(identity={"serial": "\x1b[2J\u202e漢"}, address="10.20.0.11", network="\x1b[31m")
    text = Screen(120, has_signs=True).table(HEAD, [(row(one, Screen())[0], *row(one, Screen())[4:7])])
    assert "\x1b" not in text
    assert "".join(row(one, Screen())).isascii()


def test_a_live_list_fits_the_height_of_the_screen() -> None:
    answer = {"pending": [request(id=str(number)) for number in range(40)], "next": None}
    lines = frame(answer, "", Screen(100, has_signs=True), 24, 0.0)
    assert len(lines) == 23
    assert lines[0] == "40 machines waiting, 00:00:00 UTC; Ctrl-C ends"
    assert lines[-1] == "and 20 more"
    assert all(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= 100 for line in lines)


def test_a_narrow_terminal_gets_the_verdict_in_one_word_and_whole_codes_and_addresses() -> None:
    one = request(standing="pattern", network="fra-rack4", entry={"name": "worker-17", "matched": "serial"})
    lines = listed([one], Screen(80, has_signs=True)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("GNFZ-QTTN  0:42  9:18  ≈ pattern  10.20.0.11 fra-rack4  unknown")
    assert "matched by pattern" in listed([one], Screen())

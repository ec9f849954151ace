"""Plain lines and JSON lines: one per message, in any encoding of the stream."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bootgrant.acquire.console import Prompt, QrChoice, choose_console
from support.screenshot import read_qr, screenshot

VECTORS = Path(__file__).parents[2] / "vectors" / "deviceflow.json"
URL = "https://idp.example/device?user_code=ABCD-EFGH"
PROMPT = Prompt("ABCD-EFGH", "https://idp.example/device", URL, 20 * 3600 + 3)


def shown(prompt: Prompt, *, encoding: str = "utf-8", qr: QrChoice = "auto", compat: bool = False) -> list[str]:
    raw = io.BytesIO()
    console = choose_console("plain", io.TextIOWrapper(raw, encoding=encoding), qr=qr, compat=compat)
    console.prompt(prompt)
    console.prompt_over()
    console.close()
    return raw.getvalue().decode(encoding).splitlines()


def test_under_compat_a_prompt_is_what_talos_prints() -> None:
    vector = next(entry for entry in json.loads(VECTORS.read_text()) if entry["name"] == "access_denied")
    start = next(at for at, line in enumerate(vector["log"]) if "please visit" in line)
    end = next(at for at, line in enumerate(vector["log"]) if "waiting for the device" in line) + 1
    assert shown(PROMPT, compat=True) == vector["log"][start:end]


def test_by_default_the_lines_are_the_same() -> None:
    assert shown(PROMPT) == shown(PROMPT, compat=True)


def test_a_prompt_fits_80_columns_and_24_lines_with_the_cursor() -> None:
    lines = shown(Prompt("ABCD-EFGH", "https://boot.example.com/device", "https://boot.example.com/d/" + "A" * 70, 0))
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80 or "please visit" in max(lines, key=len)


def test_without_a_complete_url_there_is_no_qr_code() -> None:
    lines = shown(Prompt("ABCD-EFGH", "https://idp.example/device", "", None), compat=True)
    assert lines == [
        "[talos] [OAuth] please visit the URL https://idp.example/device and enter the code ABCD-EFGH",
        "[talos] [OAuth] waiting for the device to be authorized (expires at 00:00:00)...",
    ]


def test_an_ascii_stream_gets_a_qr_code_of_ascii_characters() -> None:
    lines = shown(PROMPT, encoding="ascii")
    drawing = [line for line in lines if "@@" in line]
    assert set("".join(drawing)) == {"@", " "}
    assert max(map(len, drawing)) <= 80
    assert read_qr(screenshot(drawing), blur=5) == URL


def test_a_notice_replaces_a_qr_code_wider_than_the_console() -> None:
    lines = shown(Prompt("A", "https://idp.example", "https://idp.example/" + "a" * 900, None))
    assert [line for line in lines if "QR" in line] == [
        "[talos] [OAuth] no QR code: it needs 103 columns, and this console has fewer"
    ]


@pytest.mark.parametrize("choice", ["none", "full", "half"])
def test_the_chosen_style_is_used(choice: QrChoice) -> None:
    characters = set("".join(line for line in shown(PROMPT, qr=choice) if "█" in line))
    assert characters == {"none": set(), "full": set("█ "), "half": set("█▀▄ ")}[choice]


def test_hostile_texts_stay_on_their_line() -> None:
    lines = shown(Prompt("\x1b[2J", "https://idp.example/\nforged", "", None))
    assert lines[0] == r"[talos] [OAuth] please visit the URL https://idp.example/\nforged and enter the code \x1b[2J"


def test_errors_under_compat_have_no_prefix_and_may_span_lines() -> None:
    stream = io.StringIO()
    choose_console("plain", stream, qr="auto", compat=True).error("1 error(s) occurred:\n\tacc\x1bess_denied")
    assert stream.getvalue() == "1 error(s) occurred:\n\tacc\\x1bess_denied\n"


def test_a_closed_stream_does_not_stop_the_program() -> None:
    stream = io.StringIO()
    console = choose_console("plain", stream, qr="auto")
    stream.close()
    console.prompt(PROMPT)
    console.error("lost")


def test_json_messages_have_time_and_level_and_no_prefix() -> None:
    stream = io.StringIO()
    console = choose_console("json", stream, qr="auto", compat=True)
    console.info("one")
    console.warning("two")
    console.error("three")
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(entry["level"], entry["message"]) for entry in entries] == [
        ("info", "one"), ("warning", "two"), ("error", "three"),
    ]  # fmt: skip
    assert all(entry["time"].endswith("Z") and len(entry["time"]) == 24 for entry in entries)


def test_a_prompt_is_an_event_with_the_values_of_the_provider() -> None:
    stream = io.StringIO()
    console = choose_console("json", stream, qr="auto")
    console.prompt(Prompt("A\x1b[2JB", "https://idp.example", "https://idp.example/AB", 1700000000.5))
    console.prompt_over()
    entry = json.loads(stream.getvalue().splitlines()[0])
    assert entry["event"] == "prompt"
    assert (entry["user_code"], entry["verification_uri"]) == ("A\x1b[2JB", "https://idp.example")
    assert (entry["verification_uri_complete"], entry["expires_at"]) == ("https://idp.example/AB", 1700000000.5)
    assert "\x1b" not in stream.getvalue()

"""JSON lines: everything a supervising program needs, nothing that steers a terminal."""

from __future__ import annotations

import io
import json

from bootgrant.acquire.console import Prompt, choose_console


def test_messages_carry_time_and_level_and_no_prefix() -> None:
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


def test_a_prompt_is_an_event_with_the_providers_own_values() -> None:
    stream = io.StringIO()
    console = choose_console("json", stream, qr="auto")
    console.prompt(Prompt("A\x1b[2JB", "https://idp.example", "https://idp.example/AB", 1700000000.5))
    console.prompt_over()
    entry = json.loads(stream.getvalue().splitlines()[0])
    assert entry["event"] == "prompt"
    assert (entry["user_code"], entry["verification_uri"]) == ("A\x1b[2JB", "https://idp.example")
    assert (entry["verification_uri_complete"], entry["expires_at"]) == ("https://idp.example/AB", 1700000000.5)
    assert "\x1b" not in stream.getvalue()

"""What the pages say stands in one place."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from bootgrant.operator_plane.wording import counted, day_time, text, texts

ROOM = Path(str(resources.files("bootgrant.operator_plane")))
ASKED = re.compile(r"""(?<![\w.])(?:t|text|counted)\(\s*["']([a-z_]+\.[a-z_]+)["'](?! ~)""")
BEGUN = re.compile(r"""["']([a-z_]+\.(?:[a-z_]+_)?)["'] ~|f["']([a-z_]+\.[a-z_]*)\{""")


def sources() -> str:
    files = [*ROOM.rglob("*.py"), *ROOM.rglob("*.html")]
    return "\n".join(file.read_text("utf-8") for file in files)


def test_every_text_that_a_page_asks_for_is_there() -> None:
    for name in ASKED.findall(sources()):
        assert name in texts(), name


def test_no_text_is_left_that_no_page_asks_for() -> None:
    code = sources()
    begun = tuple(one or other for one, other in BEGUN.findall(code))
    for name in texts():
        asked = f'"{name}"' in code or f"'{name}'" in code or name.endswith("_one")
        assert asked or name.startswith(begun), name


def test_one_of_them_is_said_in_its_own_form() -> None:
    assert (counted("batch.done_title", 1), counted("batch.done_title", 2)) == ("1 approved", "2 approved")


def test_a_text_with_braces_of_a_stranger_stays_text() -> None:
    assert "{0.__class__}" in text("device.nobody", code="{0.__class__}")


def test_an_unknown_text_is_a_fault_and_not_an_empty_place() -> None:
    with pytest.raises(KeyError):
        text("queue.nothing_like_this")


def test_a_day_is_written_so_that_it_sorts() -> None:
    assert day_time(1_800_000_000.0) == "2027-01-15 08:00:00 UTC"

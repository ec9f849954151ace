"""The kernel parameters in the documentation are complete and valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bootgrant.acquire.cmdline.findings import Level, Subject
from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.cmdline.lint import find_all
from bootgrant.acquire.cmdline.settings import CONFIG, DEVICE_AUTH_URL, PLATFORM, TOKEN_URL, read_oauth

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"```text\n((?: *talos\..+\n)+) *```")
EXAMPLES = [
    pytest.param(block, id=f"{page.name} {number}")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for number, block in enumerate(_BLOCK.findall(page.read_text("utf-8")), 1)
]


def test_the_documentation_has_kernel_parameters() -> None:
    assert len(EXAMPLES) >= 9


@pytest.mark.parametrize("block", EXAMPLES)
def test_documented_parameters_are_complete_and_valid(block: str) -> None:
    cmdline = parse_cmdline(re.sub("<[^>]*>", "x", block).replace("…", "x"))
    url = cmdline.first(CONFIG)
    assert cmdline.first(DEVICE_AUTH_URL)
    assert cmdline.first(TOKEN_URL)
    # Most lines leave out talos.platform, which an image of the Image Factory brings along.
    is_whole = cmdline.first(PLATFORM) is not None
    subject = Subject(cmdline, url, read_oauth(cmdline, url or ""), (), frozenset(), None, for_talos=is_whole)
    assert [found for found in find_all(subject) if found.level is Level.ERROR] == []

"""Each `[[providers]]` and `[[oidc]]` in the documentation is accepted as it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bootgrant.service.settings.site import load_site

DOCS = Path(__file__).resolve().parents[3] / "docs"
_BLOCK = re.compile(r"^```toml\n(\[\[(?:providers|oidc)\]\]\n.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(DOCS)} {number}")
    for page in sorted(DOCS.rglob("*.md"))
    for number, block in enumerate(_BLOCK.findall(page.read_text("utf-8")), 1)
]


def test_the_documentation_has_such_blocks() -> None:
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("block", BLOCKS)
def test_a_documented_block_is_accepted(block: str, tmp_path: Path) -> None:
    for name in re.findall(r'"([\w.-]+\.secret)"', block):
        (tmp_path / name).write_text("s3cret")
    config = tmp_path / "bootgrant.toml"
    config.write_text(f'public_url = "https://boot.example.org"\n{block.replace("…", "x")}')
    site = load_site(config)
    assert len(site.providers) + len(site.oidc) == len(re.findall(r"^\[\[\w+\]\]$", block, re.MULTILINE))

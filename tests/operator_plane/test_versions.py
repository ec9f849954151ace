"""The version is in one place, src/bootgrant/__init__.py, and everything that shows it shows the same."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bootgrant import __version__
from support.api_program import program
from support.office import Office, text_of

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]


async def test_a_server_shows_its_version_to_probes_programs_and_people(office: Office) -> None:
    outside = office.site.client()
    for path in ("/healthz", "/readyz"):
        assert (await outside.get(path)).headers["bootgrant-version"] == __version__
    metrics = await office.site.client("127.0.0.1").get("/metrics")
    assert f'bootgrant_info{{version="{__version__}"}} 1.0' in metrics.text
    assert f"Version {__version__}" in text_of(await (await office.person()).open("/settings"))
    async with await program(office) as client:
        assert (await client.get("/api/v1/openapi.json")).json()["info"]["version"] == __version__
        assert (await client.get("/api/v1/status")).json()["version"] == __version__


async def test_a_probe_that_compares_the_body_still_works(office: Office) -> None:
    assert (await office.site.client().get("/healthz")).text == "ok\n"


@pytest.mark.parametrize("words", [("--version",), ("acquire", "--version")])
def test_both_commands_print_the_version(words: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", "bootgrant", *words], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"bootgrant {__version__}\n"


def test_the_wheel_and_its_bill_of_materials_have_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/bootgrant/__init__.py"
    bill = json.loads((ROOT / "requirements/bootgrant.cdx.json").read_text("utf-8"))
    assert bill["metadata"]["component"]["version"] == __version__

"""The commands of docs/https.md, as they are copied from the page, in their order."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from bootgrant.service.settings.site import load_site
from support.site import bootgrant, clean_environment

PAGE = (Path(__file__).resolve().parents[2] / "docs/https.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def run(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    line, _, target = line.partition(" > ")
    done = subprocess.run(
        bootgrant(*shlex.split(line)[1:]), cwd=folder, capture_output=True, text=True, env=clean_environment()
    )
    if target:
        (folder / target).write_text(done.stdout)
    return done


def test_each_command_works_when_it_is_copied(tmp_path: Path) -> None:
    for written in COMMANDS:
        if "/pip install " in written or " serve " in written:
            continue
        # The last command makes a site of the same name.
        line = written.replace("init site", "init plain") if "--insecure-http" in written else written
        if " tls create " in line:
            shutil.rmtree(tmp_path / "site/data/tls")
        if "--insecure-http" in line:
            refused = run(tmp_path, line.replace(" --insecure-http", ""))
            assert (refused.returncode, "or add --insecure-http" in refused.stderr) == (1, True)
        done = run(tmp_path, line)
        assert done.returncode == 0, (line, done.stderr)
        if "kernel-args" in line:
            assert "talos.config.early=" in done.stdout
            assert len(done.stdout) == pytest.approx(1200, abs=100)
    assert load_site(tmp_path / "plain/bootgrant.toml").plain_http == ("http://10.20.0.5:8080",)
    assert (tmp_path / "ca.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_the_settings_for_acme_are_accepted(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "bootgrant.toml").write_text(block)
    site = load_site(tmp_path / "bootgrant.toml")
    assert (site.tls.mode, site.tls.acme.email, site.plain_http) == ("acme", "ops@example.org", ())

"""Clients other than ours accept the certificates of a site's own authority: Go as in Talos, and Chromium."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import parts
from support.browser import chromium
from support.own_site import own_site, run
from support.site import Served, clean_environment

ROOT = Path(__file__).resolve().parents[2]
HOSTS = ("boot.example.org", "10.20.0.5", "fd00::5")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    words = [word for host in HOSTS for word in ("--tls-host", host)]
    with own_site(tmp_path, *words) as found:
        (tmp_path / "ca.pem").write_text(run("tls", "show", "--pem", "--config", str(found.made.config)))
        yield found


def test_go_accepts_each_host_and_no_other(site: Served, tmp_path: Path) -> None:
    go = ROOT / ".venv/oracle/bin/go"
    if not go.exists():
        parts.missing(f"{go} is not there (make test-packaging)")
    program = Path(__file__).with_name("clients.go")
    variables = {**clean_environment(), "GO111MODULE": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    done = subprocess.run(
        [go, "run", program, tmp_path / "ca.pem", f"{site.url}/healthz", "localhost", *HOSTS, "other.example.org"],
        capture_output=True, text=True, env=variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *accepted, refused = done.stdout.splitlines()
    assert accepted == [f"{host} accepted" for host in ("localhost", *HOSTS)]
    assert "certificate is valid for localhost, boot.example.org, not other.example.org" in refused


def test_chromium_accepts_it_once_the_authority_is_installed(
    site: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certutil = str(parts.program("certutil", "libnss3-tools"))
    home = tmp_path / "home"
    database = home / ".pki/nssdb"
    database.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))

    def change(*words: str) -> None:
        command = [certutil, "-d", f"sql:{database}", *words]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=30)

    change("-N", "--empty-password")
    assert "ERR_CERT_AUTHORITY_INVALID" in opened(f"{site.url}/login")
    change("-A", "-t", "C,,", "-n", "bootgrant", "-i", str(tmp_path / "ca.pem"))
    assert opened(f"{site.url}/login") == "Sign in"


def opened(url: str) -> str:
    """The heading of a page, or why the browser does not show it."""
    from playwright.sync_api import Error

    with chromium() as browser:
        page = browser.new_page()
        try:
            page.goto(url)
        except Error as error:
            return str(error)
        return page.locator("h1").inner_text()

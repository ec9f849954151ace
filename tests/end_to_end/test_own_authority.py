"""HTTPS from the first minute: `init --tls own`, and a machine that trusts nothing but what its kernel line brings."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.grants import MAC, UUID
from support.own_site import own_site, run
from support.site import CONFIG, Machine, Served, acquiring, bootgrant, clean_environment, wait_until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with own_site(tmp_path) as found:
        yield found


def config(site: Served) -> tuple[str, str]:
    return "--config", str(site.made.config)


def machine_words(site: Served, *words: str) -> list[str]:
    line = run("kernel-args", *config(site), *words).strip()
    return ["--cmdline", line, "--set", f"uuid={UUID}", "--set", f"mac={MAC}"]


def test_a_machine_gets_its_configuration_while_the_certificate_is_replaced(site: Served, tmp_path: Path) -> None:
    output, console = tmp_path / "machine-config.yaml", tmp_path / "console"
    with acquiring([*machine_words(site), "--output", str(output)], console) as process:
        machine = Machine(process, output, console)
        code = machine.code()
        (site.folder / "data/tls/server.pem").unlink()
        wait_until(lambda: "new certificate from" in site.log, "the new certificate is loaded")
        run("approve", code, *config(site))
        assert machine.delivered() == CONFIG
        assert len(machine.codes()) == 1


def test_a_machine_without_the_authority_says_what_is_missing(site: Served, tmp_path: Path) -> None:
    words = machine_words(site, "--no-ca")
    refused = subprocess.run(
        bootgrant("acquire", *words, "--output", str(tmp_path / "x"), "--timeout", "5s"),
        capture_output=True, text=True, env=clean_environment(), timeout=60,
    )  # fmt: skip
    assert refused.returncode == 7
    assert "signed by an authority that this machine does not know" in refused.stderr


def test_the_authority_is_the_same_everywhere(site: Served, tmp_path: Path) -> None:
    shown = json.loads(run("tls", "show", *config(site), "--json"))
    (authority,) = shown["authorities"]
    assert authority["sha256"] == site.made.authority
    assert authority["hosts"] == ["localhost", "127.0.0.1"]
    assert f"fingerprint {site.made.authority}" in site.log
    ca = tmp_path / "ca.pem"
    ca.write_text(httpx2.get(f"{site.url}/ca.pem", verify=False, trust_env=False).text)
    assert run("tls", "show", "--pem", *config(site)) == ca.read_text()
    context = ssl.create_default_context(cafile=ca)
    # What Python 3.13 and newer do by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with httpx2.Client(base_url=site.url, verify=context, trust_env=False) as client:
        answer = client.get("/ca.pem")
        assert (answer.text, answer.headers["content-type"]) == (ca.read_text(), "application/x-x509-ca-cert")
        assert client.post("/ca.pem").status_code == 405
        transport = httpx2.HTTPTransport(uds=str(site.folder / "data/admin.sock"))
        with httpx2.Client(transport=transport, base_url="http://admin") as admin:
            status = admin.get("/api/v1/status").json()
        assert status["authorities"] == [{"sha256": authority["sha256"], "end": authority["end"]}]
        assert "bootgrant_certificate_remaining_seconds" in client.get("/metrics").text


def test_a_new_authority_reaches_clients_before_it_signs(site: Served, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    assert "Give it to every client" in run("tls", "rotate", *config(site))
    both.write_text(httpx2.get(f"{site.url}/ca.pem", verify=False, trust_env=False).text)
    assert both.read_text().count("BEGIN CERTIFICATE") == 2
    assert len(machine_words(site)[1]) < 2000
    context = ssl.create_default_context(cafile=both)
    assert httpx2.get(f"{site.url}/healthz", verify=context, trust_env=False).status_code == 200
    run("tls", "rotate", "--finish", *config(site))
    wait_until(lambda: "new certificate from" in site.log, "the new authority signs")
    assert httpx2.get(f"{site.url}/healthz", verify=context, trust_env=False).status_code == 200
    assert len(json.loads(run("tls", "show", *config(site), "--json"))["authorities"]) == 1

"""Certificates by ACME at a real Pebble: both challenges, renewal, and failures that leave the old certificate."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from bootgrant import trust
from bootgrant.service.commands.init_site import init_site
from bootgrant.service.settings.tls import AcmeChallenge
from support.parts import program
from support.pebble import Pebble, pebble
from support.site import Served, bootgrant, clean_environment, free_port, wait_until

NAME = "boot.example.org"
GOT = "got a certificate for boot.example.org"


@contextmanager
def acme_site(folder: Path, at: Pebble, challenge: AcmeChallenge) -> Iterator[Served]:
    """A site that gets its certificate from Pebble, with a running server."""
    settings = {"tls.mode": "acme", "tls.acme.directory": at.directory, "tls.acme.agree_to_terms": "true"}
    settings |= {"tls.acme.ca_file": str(at.ca), "tls.acme.challenge": challenge.value}
    settings["tls.acme.http_listen"] = f"127.0.0.1:{at.http_port}"
    url = f"https://{NAME}:{at.tls_port}"
    made = init_site(folder / "site", url, f"127.0.0.1:{at.tls_port}", "ana", settings)
    site = Served(folder / "site", made, url=url)
    try:
        site.start()
        yield site
    finally:
        if site.process.poll() is None:
            site.kill()


def served_certificate(site: Served, ca: Path) -> str:
    """The serial number of what a client sees that trusts ``ca``, or the reason why it refuses."""
    port = int(site.url.rpartition(":")[2])
    context = trust.client_context(ca)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
            context.wrap_socket(connection, server_hostname=NAME) as tls,
        ):
            found = tls.getpeercert()
            return str(found["serialNumber"]) if found else ""
    except ssl.SSLError as error:
        return f"refused: {error.reason}"


def chore(site: Served) -> dict[str, object]:
    """The state of the chore as the API has it."""
    transport = httpx2.HTTPTransport(uds=str(site.folder / "data/admin.sock"))
    with httpx2.Client(transport=transport, base_url="http://admin", timeout=20) as client:
        chores = client.get("/api/v1/status").json()["chores"]
    found: dict[str, object] = next(each for each in chores if each["name"] == "certificate by ACME")
    return found


def reload(site: Served) -> None:
    done = subprocess.run(
        bootgrant("reload", "--config", str(site.made.config)), capture_output=True, text=True, env=clean_environment()
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("challenge", list(AcmeChallenge))
def test_a_server_gets_its_certificate(tmp_path: Path, challenge: AcmeChallenge) -> None:
    with pebble(tmp_path) as at, acme_site(tmp_path, at, challenge) as site:
        wait_until(lambda: GOT in site.log and "new certificate from" in site.log, "the certificate is there")
        root = at.root()
        assert served_certificate(site, root).isalnum()
        for path in (site.folder / "data/tls").iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
            assert b"BEGIN PRIVATE KEY" not in path.read_bytes()
        if challenge is AcmeChallenge.HTTP_01:
            at_port_80(at.http_port, site.url)


def at_port_80(port: int, url: str) -> None:
    """A wrong token is refused, people are redirected, and machines are not."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert client.get("/.well-known/acme-challenge/wrong").status_code == 404
        page = client.get("/login?next=/")
        assert (page.status_code, page.headers["location"]) == (308, f"{url}/login")
        assert client.post("/device/code", data={"client_id": "talos"}).status_code == 403


def test_the_account_is_used_again_for_the_next_certificate(tmp_path: Path) -> None:
    with pebble(tmp_path) as at, acme_site(tmp_path, at, AcmeChallenge.TLS_ALPN_01) as site:
        wait_until(lambda: "new certificate from" in site.log, "the certificate is there")
        first = served_certificate(site, at.root())
        (site.folder / "data/tls/acme.pem").unlink()
        reload(site)
        wait_until(
            lambda: site.log.count(GOT) == 2 and served_certificate(site, at.root()) not in (first, ""), "renewed"
        )
        # The account is kept.
        assert at.log.count("There are now 1 accounts") <= 1


def test_a_failed_check_leaves_the_old_certificate_and_says_what_to_do(tmp_path: Path) -> None:
    with pebble(tmp_path, seconds=60) as at, acme_site(tmp_path, at, AcmeChallenge.HTTP_01) as site:
        wait_until(lambda: "new certificate from" in site.log, "the certificate is there")
        first = served_certificate(site, at.root())
        # Port 80 is no longer the one that the authority calls, and the certificate is due.
        text = site.made.config.read_text()
        site.made.config.write_text(text.replace(f"127.0.0.1:{at.http_port}", f"127.0.0.1:{free_port()}"))
        wait_until(lambda: due(site), "the certificate is due", 60)
        reload(site)
        wait_until(lambda: chore(site)["error"], "the check fails")
        error = str(chore(site)["error"])
        assert "no new certificate: boot.example.org: " in error
        assert 'tls.mode = "own", or a proxy with DNS-01' in error
        assert served_certificate(site, at.root()) in (first, "refused: CERTIFICATE_VERIFY_FAILED")
        assert "next attempt in 300 s" in site.log


def due(site: Served) -> bool:
    """Whether two thirds of the certificate's minute have passed."""
    words = ["x509", "-in", str(site.folder / "data/tls/acme.pem"), "-noout", "-checkend", "19"]
    return subprocess.run([str(program("openssl", "openssl")), *words], capture_output=True).returncode != 0

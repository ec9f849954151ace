"""Browsers use only HTTPS where the public URL is https (RFC 6797)."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2
import pytest

from support.site import Served, free_port, served

HEADER = "strict-transport-security"
PATHS = ["/login", "/nowhere", "/static/none", "/healthz", "/config", "/device/code", "/api/v1/requests"]


def restarted(site: Served, public_url: str, tls: str = "", *people: str) -> None:
    """Start the site again with this URL, a line of [tls], and lines of [operators]."""
    assert site.stop() == 0
    text = site.made.config.read_text().replace(f'public_url = "{site.url}"', f'public_url = "{public_url}"', 1)
    head, found, tail = text.partition("[operators]")
    for line in people:
        name = line.partition(" = ")[0]
        tail = tail.replace(f'{name} = ""', line, 1)
    text = f"{head}{found}{tail}".replace('hsts = "365d"', tls or 'hsts = "365d"')
    site.made.config.write_text(text.replace('insecure_http = "false"', 'insecure_http = "true"'))
    site.start()


def headers(url: str) -> set[str | None]:
    """The values of the header in the answers to GET and POST."""
    host = {"host": "boot.example"}
    answers = [httpx2.get(f"{url}{path}", headers=host, trust_env=False) for path in PATHS]
    answers.append(httpx2.post(f"{url}/device/code", data={}, headers=host, trust_env=False))
    return {answer.headers.get(HEADER) for answer in answers}


def test_every_answer_of_an_https_site_makes_browsers_use_only_https(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        assert headers(site.url) == {None}
        restarted(site, "https://boot.example")
        assert headers(site.url) == {"max-age=31536000"}
        where = httpx2.URL(site.url)
        with socket.create_connection((where.host, where.port or 80), timeout=20) as connection:
            connection.sendall(b"not HTTP\r\n\r\n")
            assert HEADER.encode() in connection.recv(4096)


@pytest.mark.parametrize(("setting", "sent"), [('hsts = "0s"', None), ('hsts = "30d"', "max-age=2592000")])
def test_the_time_can_be_changed_and_the_header_turned_off(tmp_path: Path, setting: str, sent: str | None) -> None:
    with served(tmp_path) as site:
        restarted(site, "https://boot.example", setting)
        assert headers(site.url) == {sent}


def test_each_listener_follows_its_own_url(tmp_path: Path) -> None:
    port = free_port()
    people = (f'listen = "127.0.0.1:{port}"', 'public_url = "https://approve.example"')
    with served(tmp_path) as site:
        restarted(site, "http://boot.example", "", *people)
        assert httpx2.get(f"{site.url}/healthz", trust_env=False).headers.get(HEADER) is None
        page = httpx2.get(f"http://127.0.0.1:{port}/login", headers={"host": "approve.example"}, trust_env=False)
        assert (page.status_code, page.headers.get(HEADER)) == (200, "max-age=31536000")

"""The settings of HTTPS: what fits together, and when plain HTTP is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.service.settings.site import SettingsError, Site, load_site
from bootgrant.service.settings.tls import is_plain_http

OWN = '[tls]\nmode = "own"\n'
ACME = '[tls]\nmode = "acme"\n[tls.acme]\nagree_to_terms = true\n'


def read(folder: Path, url: str, more: str = "") -> Site:
    config = folder / "bootgrant.toml"
    config.write_text(f'public_url = "{url}"\n{more}')
    return load_site(config)


@pytest.mark.parametrize(
    ("url", "is_plain"),
    [
        ("http://boot.example.org", True),
        ("http://10.20.0.5:8080", True),
        ("http://[fd00::5]:8080", True),
        ("https://boot.example.org", False),
        ("http://localhost:8080", False),
        ("http://boot.localhost", False),
        ("http://127.0.0.2:8080", False),
        ("http://[::1]:8080", False),
    ],
)
def test_plain_http_is_only_a_risk_elsewhere_than_on_loopback(url: str, is_plain: bool) -> None:
    assert is_plain_http(url) is is_plain


def test_plain_http_is_refused_unless_the_settings_say_so_or_are_older(tmp_path: Path) -> None:
    url = "http://boot.example.org"
    with pytest.raises(SettingsError, match=r"insecure_http: http://boot.example.org is plain HTTP.*docs/https.md"):
        read(tmp_path, url, 'insecure_http = "false"\n')
    assert read(tmp_path, url, "insecure_http = true\n").plain_http == (url,)
    assert read(tmp_path, url).plain_http == (url,)
    apart = read(tmp_path, "https://boot.example.org", f'[operators]\npublic_url = "{url}"\n')
    assert apart.plain_http == (url,)


@pytest.mark.parametrize(
    ("url", "more", "problem"),
    [
        ("http://127.0.0.1:8080", OWN, 'must begin with https://, because tls.mode is "own"'),
        ("https://a", f'{OWN}certificate = "c.pem"\nkey = "k.pem"\n', 'leave it empty with tls.mode = "own"'),
        ("https://a", '[tls]\nhosts = ["*.a.org"]\n', "a wildcard is not possible"),
        ("https://a", '[tls]\nhosts = ["https://a"]\n', "is not a host"),
        ("https://a", '[tls]\nmode = "on"\n', "is not one of files, own, acme"),
        ("https://boot.example.org", '[tls]\nmode = "acme"\n', "read the terms of service of https://"),
        ("https://10.20.0.5", ACME, "cannot reach 10.20.0.5 by a public name.*DNS-01"),
        ("https://boot.lan", ACME, "cannot reach boot.lan by a public name.*DNS-01"),
        ("https://boot.example.org", f'{ACME}email = "ops"\n', "is not an e-mail address"),
        ("https://boot.example.org", f'{ACME}directory = "http://a/dir"\n', "is not the https URL"),
        ("https://boot.example.org", f'{ACME}directry = "https://a/dir"\n', "did you mean tls.acme.directory"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(tmp_path: Path, url: str, more: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        read(tmp_path, url, more)


def test_a_section_in_a_section_is_read_from_the_file_and_the_environment(tmp_path: Path) -> None:
    site = read(tmp_path, "https://boot.example.org", f'{ACME}challenge = "http-01"\n')
    assert (site.tls.acme.challenge.value, site.tls.needs_http) == ("http-01", True)
    changed = load_site(tmp_path / "bootgrant.toml", {"BOOTGRANT_TLS_ACME_CHALLENGE": "tls-alpn-01"})
    assert changed.tls.acme.challenge.value == "tls-alpn-01"


def test_the_certificate_is_for_every_host_once(tmp_path: Path) -> None:
    more = f'{OWN}hosts = ["[fd00::5]", "bücher.example", "boot.example.org"]\n'
    site = read(tmp_path, "https://Boot.example.org:8443", more)
    assert site.certificate_hosts == ("boot.example.org", "fd00::5", "xn--bcher-kva.example")

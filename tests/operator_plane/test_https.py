"""What the pages say about HTTPS: a warning without it, and the site's own authority on the settings page."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from bootgrant.service.certificates.own import own_authority, trusted_pem
from bootgrant.service.certificates.private_files import certificate_folder
from support.office import Office, text_of
from support.site import site_in_process

pytestmark = pytest.mark.anyio
WARNING = "▲ Plain HTTP: anyone on the network can read what you see and type here."
PAGES = ("/", "/device", "/machines", "/access", "/audit", "/settings", "/account", "/no-such-page")


async def test_every_page_warns_where_people_use_plain_http(tmp_path: Path) -> None:
    with site_in_process(tmp_path, warns=True) as site:
        person = await Office(site).person()
        for path in PAGES:
            assert WARNING in text_of(await person.open(path)), path
        # The form has its own.
        page = text_of(await Office(site).browser().open("/login"))
        assert WARNING not in page
        assert "This connection is not encrypted" in page


async def test_every_page_warns_where_only_machines_use_plain_http(tmp_path: Path) -> None:
    people = ("[operators]", 'listen = "127.0.0.1:1"', 'public_url = "http://localhost:8080"')
    with site_in_process(tmp_path, *people, warns=True) as site:
        transport = httpx2.ASGITransport(site.built.pages)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
            assert "▲ Machines use plain HTTP" in text_of(await client.get("/login"))


async def test_no_page_warns_otherwise(office: Office) -> None:
    assert WARNING not in text_of(await (await office.person()).open("/settings"))


async def test_the_settings_page_shows_each_authority_with_its_fingerprint(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[tls]", 'mode = "files"') as site:
        page = text_of(await (await Office(site).person()).open("/settings"))
        assert "Certificate authority" not in page
        assert (await site.client().get("/ca.pem")).status_code == 404
    folder = tmp_path / "own"
    folder.mkdir()
    with site_in_process(folder, "[tls]", 'mode = "own"', url="https://boot.example") as site:
        authority = own_authority(site.site, b"k" * 32)
        authority.create(site.clock.now())
        authority.rotate(site.clock.now())
        status = (await site.admin().get("/api/v1/status")).json()
        fingerprints = [each["sha256"] for each in status["authorities"]]
        assert len(fingerprints) == 2
        pem = await site.client().get("/ca.pem")
        assert pem.text == trusted_pem(certificate_folder(site.site))
        person = await Office(site).person()
        person.client.cookies.clear()
        person.client.headers["cookie"] = "__Host-bootgrant=" + "ana1".ljust(43, "x")
        page = text_of(await person.open("/settings"))
        assert (
            "compare this SHA-256 fingerprint with the one that bootgrant tls show prints on the server: "
            f"{fingerprints[0]}" in page
        )
        assert f"Its next certificate authority {fingerprints[1]}" in page

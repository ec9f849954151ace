"""A real machine boots: Debian's kernel, an initramfs with our hook, a bootgrant server, a person who approves.

The test reads the code on the serial console, like a person; the system on the machine's disk reports what it got.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import Authority
from support.guest import HOST, Guest, booted, new_disk
from support.initramfs import ROOT, Kernel, by_dracut, by_initramfs_tools, debian_kernel, installation
from support.screenshot import read_qr, screenshot
from support.site import Served, served
from support.tls_front import tls_front

UUID, SERIAL, MAC = "5d0a7b2e-8a4c-4b8e-9d4a-0123456789ab", "BG-0042", "52:54:00:12:34:56"
CACHE = ROOT / "build" / "boot-test"
FOUND = r"guest found sha256 ([0-9a-f]{64}) +- mode (\S+) owner (\d+)\nguest found instance-id: \"\S+\"\n"
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return debian_kernel(CACHE / "kernel")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, machine=None) as running:
        config = f"#cloud-config\nhostname: node-1\n# {secrets.token_hex(16)}\n"
        (running.machines / f"{UUID}.yaml").write_text(config)
        yield running


def kernel_parameters(site: Served, front: str = "") -> str:
    """``front`` is the address of a proxy in front of the site, if any."""
    extra = " ".join(f"talos.config.oauth.extra_variable={name}" for name in ("uuid", "serial", "mac"))
    url = front or f"http://{HOST}:{site.url.rpartition(':')[2]}"
    return f"talos.platform=metal talos.config={url}/config?uuid=${{uuid}} talos.config.oauth.client_id=talos {extra}"


def approve_what_it_shows(guest: Guest, site: Served) -> str:
    """Read the code on the console, approve it and return it."""
    code = guest.wait_for(r"please visit the URL \S+/device and enter the code ([A-Z]{4}-[A-Z]{4})")[1]
    guest.wait_for("waiting for the device to be authorized")
    (waiting,) = json.loads(site.command("pending", "--json").stdout)["pending"]
    assert (waiting["code"], waiting["identity"]) == (code, {"uuid": UUID, "serial": SERIAL, "mac": MAC})
    assert read_qr(screenshot(drawn(guest))) == f"{site.url}/d/{code.replace('-', '')}"
    approved = site.command("approve", code)
    assert approved.returncode == 0, approved.stderr
    return code


def drawn(guest: Guest) -> list[str]:
    """The lines of the QR code on the console, without the kernel's prefix."""
    lines = re.findall(r"^(?:\[ *[\d.]+\] )?([█▀▄ ]{30,})$", guest.said, re.MULTILINE)
    return [str(line) for line in lines]


def assert_it_found_its_configuration(guest: Guest, site: Served) -> None:
    found = guest.wait_for(FOUND)
    config = (site.machines / f"{UUID}.yaml").read_bytes()
    assert found.groups() == (hashlib.sha256(config).hexdigest(), "600", "0")
    guest.wait_until_off()


def keep(guest: Guest) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    shutil.copy(guest.log, CACHE / guest.log.name)


def test_a_machine_with_initramfs_tools_gets_its_configuration_once(
    kernel: Kernel, site: Served, tmp_path: Path
) -> None:
    initramfs = by_initramfs_tools(kernel, tmp_path, installation(tmp_path / "lib"))
    disk, parameters = new_disk(tmp_path), kernel_parameters(site)
    with booted(kernel, initramfs, disk, parameters, UUID, SERIAL) as guest:
        approve_what_it_shows(guest, site)
        assert_it_found_its_configuration(guest, site)
        keep(guest)
    with booted(kernel, initramfs, disk, parameters, UUID, SERIAL) as guest:
        assert_it_found_its_configuration(guest, site)
        assert "enter the code" not in guest.said
        assert "IP-Config" not in guest.said


def test_https_with_a_private_authority_and_the_kernel_log_as_console(
    kernel: Kernel, site: Served, tmp_path: Path
) -> None:
    """The kernel mutes a writer after ten lines in five seconds; a QR code has twenty."""
    (tmp_path / "tls").mkdir()
    authority = Authority(tmp_path / "tls")
    lib = installation(tmp_path / "lib", flags=f"--console kmsg --ca {authority.certificate}")
    initramfs, disk = by_initramfs_tools(kernel, tmp_path, lib), new_disk(tmp_path)
    with tls_front(authority.server(f"IP:{HOST}"), int(site.url.rpartition(":")[2])) as port:
        parameters = kernel_parameters(site, f"https://{HOST}:{port}")
        with booted(kernel, initramfs, disk, parameters, UUID, SERIAL) as guest:
            approve_what_it_shows(guest, site)
            assert_it_found_its_configuration(guest, site)
            assert re.search(r"^\[ *\d+\.\d+\] \[talos\] \[OAuth\] device authorized$", guest.said, re.MULTILINE)


def test_a_machine_with_dracut_boots_with_its_configuration(kernel: Kernel, site: Served, tmp_path: Path) -> None:
    initramfs = by_dracut(kernel, tmp_path, installation(tmp_path / "lib"))
    with booted(kernel, initramfs, new_disk(tmp_path), kernel_parameters(site), UUID, SERIAL) as guest:
        approve_what_it_shows(guest, site)
        assert_it_found_its_configuration(guest, site)
        keep(guest)

"""The disk of the data folder is full: the answers meanwhile, and that free space is all it takes to recover."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path

import httpx2
import pytest

from support.grants import UUID
from support.machine import DEVICE_GRANT, TALOS
from support.parts import allowed, program, root_rights
from support.site import CONFIG, Served, booting, served, wait_until

OTHER = {"client_id": "talos", "serial": "COMES-WHILE-FULL"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 4 MiB for the data folder of a site."""
    root_rights("to mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = program("mount", "mount"), program("umount", "mount")
    mounting = [str(mount), "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(folder)]
    allowed(subprocess.run(mounting, capture_output=True, text=True), "to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run([str(umount), "--lazy", str(folder)], check=True)


def fill(file: RawIOBase, piece: bytes) -> int | None:
    """Write until there is no space for another piece; return the error number of the system."""
    while True:
        try:
            file.write(piece)
        except OSError as error:
            return error.errno


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no free byte until the end of the block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            assert fill(file, b"x" * size) == errno.ENOSPC
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture
def site(tmp_path: Path, disk: Path) -> Iterator[Served]:
    """A site whose data folder is on the small disk."""
    with served(tmp_path) as made:
        assert made.stop() == 0
        shutil.move(made.folder / "data", disk / "data")
        (made.folder / "data").symlink_to(disk / "data")
        made.start()
        yield made


def test_a_full_disk_ends_no_flow_and_loses_nothing(site: Served, disk: Path, tmp_path: Path) -> None:
    with booting(site.url, tmp_path) as machine:
        code = machine.code()
        with full(disk):
            undecided = site.command("approve", code)
            assert (undecided.returncode, len(undecided.stderr.splitlines())) == (1, 1)
            assert "disk is full" in undecided.stderr
            assert machine.process.poll() is None
        assert site.command("approve", code).returncode == 0
        assert machine.delivered() == CONFIG
        assert machine.codes() == [code]
    assert "Traceback" not in site.log


def test_every_endpoint_reports_a_full_disk(site: Served, disk: Path) -> None:
    codes = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).json()
    poll = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    assert site.command("approve", codes["user_code"]).returncode == 0
    with full(disk):
        ask = httpx2.post(f"{site.url}/device/code", data=OTHER, trust_env=False)
        assert (ask.status_code, ask.json()["error"]) == (503, "temporarily_unavailable")
        token = httpx2.post(f"{site.url}/token", data=poll, trust_env=False)
        assert (token.status_code, token.json()) == (400, {"error": "authorization_pending"})
        for path, start in (("/healthz", "not ok: "), ("/readyz", "not ready: ")):
            # The server itself tries to write every few seconds.
            wait_until(lambda path=path: httpx2.get(f"{site.url}{path}", trust_env=False).status_code == 503, path)
            answer = httpx2.get(f"{site.url}{path}", trust_env=False)
            assert answer.status_code == 503
            assert answer.text.startswith(start)
            assert "disk is full" in answer.text
    wait_until(lambda: httpx2.get(f"{site.url}/readyz", trust_env=False).status_code == 200, "the server is ready")
    issued = httpx2.post(f"{site.url}/token", data=poll, trust_env=False).json()["access_token"]
    bearer = {"Authorization": f"Bearer {issued}"}
    assert httpx2.get(f"{site.url}/config?uuid={UUID}", headers=bearer, trust_env=False).text == CONFIG


def test_a_machine_with_a_token_is_served_while_the_disk_is_full(site: Served, disk: Path) -> None:
    codes = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).json()
    poll = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    assert site.command("approve", codes["user_code"]).returncode == 0
    bearer = {
        "Authorization": "Bearer " + httpx2.post(f"{site.url}/token", data=poll, trust_env=False).json()["access_token"]
    }
    with full(disk):
        assert httpx2.get(f"{site.url}/config", headers=bearer, trust_env=False).text == CONFIG
        wait_until(lambda: "cannot record a delivery" in site.log, "the log names the missing record")


def test_a_server_on_a_full_disk_starts_or_says_why_not_and_starts_when_there_is_space(
    site: Served, disk: Path
) -> None:
    codes = httpx2.post(f"{site.url}/device/code", data=TALOS, trust_env=False).json()
    with full(disk):
        site.kill()
        before = len(site.log)
        site.launch()
        # Whether SQLite needs more space to open depends on the length of its log.
        wait_until(lambda: " serving " in site.log[before:] or site.process.poll() is not None, "it serves or ends")
        if site.process.poll() is not None:
            assert "disk is full" in site.log[before:]
    if site.process.poll() is not None:
        site.start()
    assert site.command("approve", codes["user_code"]).returncode == 0
    assert "Traceback" not in site.log

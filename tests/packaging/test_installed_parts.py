"""The installation: every part is in its place, and systemd accepts the units."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import parts

ROOT = Path(__file__).resolve().parents[2]
# Ordered like cloud-init's own unit: after the root is writable, before any network.
CLOUD_INIT_LOCAL = """\
[Unit]
DefaultDependencies=no
Wants=network-pre.target
After=systemd-remount-fs.service
RequiresMountsFor=/var/lib/cloud
Before=systemd-networkd.service network-pre.target shutdown.target sysinit.target
Conflicts=shutdown.target
[Service]
Type=oneshot
ExecStart=/usr/lib/bootgrant/acquire-into --wanted /
[Install]
WantedBy=sysinit.target
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout after `make zipapp`."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "packaging", folder / "packaging")
    pyz = folder / "dist" / "bootgrant-acquire.pyz"
    subprocess.run([sys.executable, str(ROOT / "tools" / "build_zipapp.py"), str(pyz)], check=True)
    return folder


def install(checkout: Path, kind: str) -> tuple[Path, str]:
    """Install, and return the root of the installation and the output."""
    system = checkout / "system"
    command = [str(checkout / "packaging" / "install.sh"), kind]
    done = subprocess.run(
        command, env={**os.environ, "DESTDIR": str(system)}, capture_output=True, text=True, check=True
    )
    return system, done.stdout


@pytest.mark.parametrize(
    ("kind", "programs", "next_step"),
    [
        ("initramfs-tools", ["etc/initramfs-tools/hooks/bootgrant"], "update-initramfs -u"),
        ("dracut", ["usr/lib/dracut/modules.d/90bootgrant/module-setup.sh"], "dracut --force --add bootgrant"),
        ("systemd", ["usr/lib/bootgrant/early-network"], "systemctl enable bootgrant-acquire.service"),
    ],
)
def test_each_kind_of_installation_is_one_command(
    checkout: Path, kind: str, programs: list[str], next_step: str
) -> None:
    system, output = install(checkout, kind)
    for name in (*programs, "usr/lib/bootgrant/acquire-into"):
        assert os.access(system / name, os.X_OK), name
    assert (system / "usr/lib/bootgrant/bootgrant-acquire.pyz").is_file()
    assert output.rstrip().endswith(next_step)


def test_an_existing_configuration_file_is_not_overwritten(checkout: Path) -> None:
    system, _ = install(checkout, "systemd")
    (system / "etc/bootgrant/acquire.conf").write_text('OUTPUT="file:/etc/machine.yaml"\n')
    install(checkout, "dracut")
    assert (system / "etc/bootgrant/acquire.conf").read_text() == 'OUTPUT="file:/etc/machine.yaml"\n'


def test_the_shipped_configuration_is_plain_assignments_for_shell_and_systemd(checkout: Path) -> None:
    system, _ = install(checkout, "systemd")
    command = [
        "sh",
        "-euc",
        '. "$1"; printf "%s|%s" "$OUTPUT" "$FLAGS"',
        "sh",
        str(system / "etc/bootgrant/acquire.conf"),
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == "nocloud:/var/lib/cloud/seed/nocloud|"


def test_systemd_accepts_the_unit_before_the_local_stage_of_cloud_init(checkout: Path) -> None:
    """No unknown key, no missing program, no cycle between the unit, cloud-init and the network."""
    analyze = parts.program("systemd-analyze", "systemd")
    system, _ = install(checkout, "systemd")
    units = system / "usr/lib/systemd/system"
    shutil.copytree("/usr/lib/systemd/system", units, symlinks=True)
    (system / "lib").symlink_to("usr/lib")
    (units / "cloud-init-local.service").write_text(CLOUD_INIT_LOCAL)
    wanted = units / "cloud-init-local.service.wants"
    wanted.mkdir()
    (wanted / "bootgrant-acquire.service").symlink_to("/etc/systemd/system/bootgrant-acquire.service")
    names = ["cloud-init-local.service", "bootgrant-acquire.service", "systemd-networkd.service"]
    done = subprocess.run([str(analyze), "verify", f"--root={system}", *names], capture_output=True, text=True)
    output = [line for line in done.stderr.splitlines() if not line.startswith("systemd-")]  # its programs are not here
    assert output == []


@pytest.mark.parametrize("sockets", [("bootgrant.socket",), ("bootgrant.socket", "bootgrant-people.socket")])
def test_systemd_accepts_the_units_of_the_server(tmp_path: Path, sockets: tuple[str, ...]) -> None:
    analyze = parts.program("systemd-analyze", "systemd")
    units = tmp_path / "usr/lib/systemd/system"
    shutil.copytree("/usr/lib/systemd/system", units, symlinks=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    for name in ("bootgrant.service", *sockets):
        shutil.copy(ROOT / "packaging" / "systemd" / name, units)
    program = tmp_path / "opt/bootgrant/bin/bootgrant"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = [str(analyze), "verify", f"--root={tmp_path}", "bootgrant.service", *sockets]
    done = subprocess.run(command, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "bootgrant" in line] == []

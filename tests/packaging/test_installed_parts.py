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


def install(system: Path, kind: str, *flags: str) -> str:
    """Install below a folder, and return the output."""
    command = [sys.executable, "-m", "bootgrant", "install", kind, "--dest", str(system), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("kind", "programs", "next_step"),
    [
        ("initramfs-tools", ["etc/initramfs-tools/hooks/bootgrant"], "update-initramfs -u"),
        ("dracut", ["usr/lib/dracut/modules.d/90bootgrant/module-setup.sh"], "dracut --force --add bootgrant"),
        ("systemd", ["usr/lib/bootgrant/early-network"], "systemctl enable bootgrant-acquire.service"),
    ],
)
def test_each_kind_of_installation_is_one_command(
    tmp_path: Path, kind: str, programs: list[str], next_step: str
) -> None:
    output = install(tmp_path, kind)
    for name in (*programs, "usr/lib/bootgrant/acquire-into"):
        assert os.access(tmp_path / name, os.X_OK), name
    assert (tmp_path / "usr/lib/bootgrant/bootgrant-acquire.pyz").is_file()
    assert output.rstrip().endswith(next_step)


def test_a_clone_has_a_script_for_it(tmp_path: Path) -> None:
    checkout, system = tmp_path / "checkout", tmp_path / "system"
    script = checkout / "packaging/install.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "packaging/install.sh", script)
    environment = {**os.environ, "DESTDIR": str(system)}
    early = subprocess.run([script, "systemd"], env=environment, capture_output=True, text=True)
    assert (early.returncode, early.stderr.rstrip().endswith("run make zipapp first")) == (1, True)
    program = checkout / ".venv/run/bin/bootgrant"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bootgrant "$@"\n')
    program.chmod(0o755)
    done = subprocess.run([script, "systemd"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("systemctl enable bootgrant-acquire.service")
    assert (system / "etc/systemd/system/bootgrant-acquire.service").is_file()


def test_the_shipped_configuration_is_plain_assignments_for_shell_and_systemd() -> None:
    command = ["sh", "-euc", '. "$1"; printf "%s|%s" "$OUTPUT" "$FLAGS"', "sh", str(ROOT / "packaging/acquire.conf")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == "nocloud:/var/lib/cloud/seed/nocloud|"


def test_systemd_accepts_the_unit_before_the_local_stage_of_cloud_init(tmp_path: Path) -> None:
    """No unknown key, no missing program, no cycle between the unit, cloud-init and the network."""
    analyze = parts.program("systemd-analyze", "systemd")
    system = tmp_path
    install(system, "systemd")
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
    install(tmp_path, "systemd-server", "--program", "/opt/bootgrant/bin/bootgrant")
    if "bootgrant-people.socket" not in sockets:
        (tmp_path / "etc/systemd/system/bootgrant-people.socket").unlink()
    program = tmp_path / "opt/bootgrant/bin/bootgrant"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = [str(analyze), "verify", f"--root={tmp_path}", "bootgrant.service", *sockets]
    done = subprocess.run(command, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "bootgrant" in line] == []

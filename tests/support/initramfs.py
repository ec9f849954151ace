"""Debian's kernel, and initramfs images for it built with Debian's tools and our hooks.

Nothing is installed: the kernel package is downloaded and unpacked, and in a separate mount namespace the tools find it
and our modules in the usual places.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support import parts

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
SYSTEM_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
DRIVERS = ("virtio_pci", "virtio_net", "virtio_blk", "virtio_rng", "ext4")
DRACUT_MODULES = (
    "bootgrant base dracut-systemd systemd-initrd rootfs-block kernel-modules kernel-network-modules udev-rules fs-lib"
)


@dataclass(frozen=True, slots=True)
class Kernel:
    """``tree`` is the unpacked package: /boot and /lib/modules are below it."""

    version: str
    tree: Path

    @property
    def image(self) -> Path:
        return self.tree / "boot" / f"vmlinuz-{self.version}"


def debian_kernel(cache: Path) -> Kernel:
    """The kernel that linux-image-amd64 depends on, kept in ``cache`` until there is a newer one."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        parts.program(tool, "apt")
    package = _lines("apt-cache", "depends", "--important", "linux-image-amd64")[1].split()[-1]
    version = package.removeprefix("linux-image-")
    tree = cache / version
    if not (tree / "complete").exists():
        shutil.rmtree(cache, ignore_errors=True)
        tree.mkdir(parents=True)
        subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package], cwd=cache, check=True)
        (file,) = cache.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(file), str(tree)], check=True)
        file.unlink()
        (tree / "complete").touch()
    return Kernel(version, tree)


def installation(folder: Path, flags: str = "") -> dict[str, str]:
    """Install into ``folder`` as below /usr/lib/bootgrant; return the environment with which the hooks find it."""
    folder.mkdir()
    for file in (PACKAGING / "initramfs").iterdir():
        shutil.copy(file, folder)
    pyz = folder / "bootgrant-acquire.pyz"
    subprocess.run([sys.executable, "-m", "bootgrant.cli.install.zipapp", pyz], check=True)
    conf = folder / "acquire.conf"
    conf.write_text((PACKAGING / "acquire.conf").read_text().replace('FLAGS=""', f'FLAGS="{flags}"'))
    return {"BOOTGRANT_LIB": str(folder), "BOOTGRANT_CONF": str(conf)}


def by_initramfs_tools(kernel: Kernel, folder: Path, environment: dict[str, str]) -> Path:
    """Build it with a separate configuration folder that has our hook and our boot script."""
    parts.program("mkinitramfs", "initramfs-tools-core")
    image, conf = folder / "initramfs-tools.img", folder / "initramfs-tools"
    shutil.copytree(PACKAGING / "initramfs-tools", conf)
    (conf / "conf.d").mkdir()
    settings = ("MODULES=list", "BUSYBOX=auto", "COMPRESS=zstd", "COMPRESSLEVEL=1", "DEVICE=", "FSTYPE=ext4")
    (conf / "initramfs.conf").write_text("\n".join((*settings, "RUNSIZE=10%", "")))
    (conf / "modules").write_text("\n".join((*DRIVERS, "")))
    command = f"mkinitramfs -d {conf} -o {image} {kernel.version}"
    _in_namespace(kernel, command, {**environment, "TMPDIR": str(folder)})
    return image


def by_dracut(kernel: Kernel, folder: Path, environment: dict[str, str]) -> Path:
    """Build it with our module among those of dracut."""
    parts.program("dracut", "dracut-core")
    parts.installed_file(Path("/usr/lib/dracut/modules.d/40network"), "dracut-network")
    image, library = folder / "dracut.img", folder / "dracut"
    shutil.copytree("/usr/lib/dracut", library, symlinks=True)
    shutil.copytree(PACKAGING / "dracut" / "90bootgrant", library / "modules.d" / "90bootgrant")
    options = "--force --quiet --no-hostonly --no-hostonly-cmdline --compress zstd"
    command = f"""mount --bind {library} /usr/lib/dracut
        dracut {options} -m "{DRACUT_MODULES}" --add-drivers "{" ".join(DRIVERS)}" --tmpdir {folder} \
            --kver {kernel.version} {image}"""
    _in_namespace(kernel, command, environment)
    return image


def _in_namespace(kernel: Kernel, command: str, environment: dict[str, str]) -> None:
    parts.root_rights("to show the kernel to Debian's tools in a mount namespace")
    script = f"""set -eu
        mkdir -p /lib/modules
        mount --bind {kernel.tree}/lib/modules /lib/modules
        mount --bind {kernel.tree}/boot /boot
        {command}"""
    words = ["unshare", "--mount", "sh", "-c", script]
    done = subprocess.run(words, env={**os.environ, **environment, **SYSTEM_PATH}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

"""A new Debian in a temporary folder, in which the packages are built."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Its own mounts and processes, so that nothing is left when the command ends.
_IN_ROOT = """
mount --make-rprivate / && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"
"""
_FROM_HERE = ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt")
_CLIENT_SETTINGS = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class BuildRoot:
    """``folder`` is the root of the Debian, ``epoch`` the time that everything in the packages gets."""

    folder: Path
    epoch: int

    def run(self, *command: str, **variables: str) -> str:
        """Run a command in it and return its output. Raises CalledProcessError; errors are shown."""
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _IN_ROOT, str(self.folder)]
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "PYTHONDONTWRITEBYTECODE": "1",
            **{name: value for name, value in os.environ.items() if name.startswith(_CLIENT_SETTINGS)},
            **variables,
        }
        done = subprocess.run([*words, *command], env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout

    def path(self, inside: str) -> Path:
        """Return where a path of the Debian is on this computer."""
        return self.folder / inside.lstrip("/")


@contextmanager
def build_root(archive: Path, epoch: int) -> Iterator[BuildRoot]:
    """Unpack a Debian; it is removed after the block."""
    with tempfile.TemporaryDirectory(prefix="bootgrant-deb-") as folder:
        root = Path(folder, "root")
        root.mkdir(mode=0o755)
        subprocess.run(["tar", "-xf", str(archive), "-C", str(root), "--numeric-owner"], check=True)
        for name in _FROM_HERE:
            if Path("/", name).exists():
                shutil.copyfile(Path("/", name), root / name)
        yield BuildRoot(root, epoch)

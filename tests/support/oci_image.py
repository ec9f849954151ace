"""An image in an OCI archive, unpacked, and containers of it: crun runs them as podman does, without a daemon."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from support.site import children

Json = dict[str, Any]
_DEFAULT_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
# crun wants the second version of cgroups, even if it shall use none. The host's stay as they are.
_CRUN: Final = """
umount -R -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec crun --cgroup-manager=disabled "$@"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """``root`` has the files, ``config`` the member of this name in the image's configuration. ``own`` are the layers
    that are not the base's, as packed files, ``size`` is the size of all of them, and ``files`` what was unpacked."""

    root: Path
    config: Json
    own: Sequence[Path]
    size: int
    files: Mapping[str, tuple[int, ...]]

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.config["Env"])


def unpack(archive: Path, folder: Path) -> Image:
    """Unpack an OCI archive: its layers, one on the other (image-spec, layer.md)."""
    packed, root = folder / "packed", folder / "root"
    packed.mkdir()
    root.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", packed], check=True)

    def blob(described: Json) -> Path:
        return packed / "blobs" / str(described["digest"]).replace(":", "/")

    [only] = json.loads((packed / "index.json").read_text())["manifests"]
    manifest = json.loads(blob(only).read_text())
    layers = [blob(each) for each in manifest["layers"]]
    for layer in layers:
        _lay(layer, root)
    config = json.loads(blob(manifest["config"]).read_text())["config"]
    return Image(root, config, layers[1:], sum(layer.stat().st_size for layer in layers), listing(root))


def listing(root: Path) -> dict[str, tuple[int, ...]]:
    """What differs once a file was written, for each path below ``root``."""
    stats = {str(path): path.lstat() for path in root.rglob("*")}
    return {
        path: (each.st_mode, each.st_uid, each.st_gid, each.st_size, each.st_mtime_ns) for path, each in stats.items()
    }


def _lay(layer: Path, root: Path) -> None:
    names = subprocess.run(["tar", "-tzf", layer], check=True, capture_output=True, text=True).stdout.splitlines()
    for removed in (Path(name) for name in names if Path(name).name.startswith(".wh.")):
        gone = root / removed.with_name(removed.name.removeprefix(".wh."))
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink(missing_ok=True)
    subprocess.run(["tar", "-xzf", layer, "-C", root, "--numeric-owner", "--exclude=.wh.*"], check=True)


@dataclass(slots=True)
class Container:
    """A container that is to run: with a read-only root, no privilege, and the network of this computer.

    ``volumes`` maps paths in it to folders or files; ``/tmp`` is in memory. ``within`` is a command that runs another
    one in the network where it shall be.
    """

    image: Image
    folder: Path
    volumes: Mapping[str, Path]
    variables: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    within: Sequence[str] = ()

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run it until it ends. ``words`` take the place of the image's command."""
        return subprocess.run(self._command(words), capture_output=True, text=True, timeout=timeout)

    @contextlib.contextmanager
    def started(self, log: IO[str], *words: str) -> Iterator[subprocess.Popen[str]]:
        """Run it while the block lasts."""
        process = subprocess.Popen(self._command(words), stdout=log, stderr=log, text=True)
        try:
            yield process
        finally:
            subprocess.run(self._crun("delete", "--force", self._name), capture_output=True)
            process.wait()

    def execute(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run another program in it, as `podman exec` does."""
        process = self.folder / "process.json"
        process.write_text(json.dumps(self._process(words)))
        command = self._crun("exec", "--process", str(process), self._name)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout)

    def signal(self, name: str) -> None:
        """Send a signal to its process 1."""
        subprocess.run(self._crun("kill", self._name, name), check=True, capture_output=True)

    def server(self) -> int:
        """The number that the server, the child of process 1, has on this computer."""
        state = subprocess.run(self._crun("state", self._name), check=True, capture_output=True, text=True)
        return children(json.loads(state.stdout)["pid"])[0]

    @property
    def _name(self) -> str:
        return f"bootgrant-test-{self.folder.name}-{os.getpid()}"

    def _crun(self, *words: str) -> list[str]:
        place = self.folder / "crun"
        return [*self.within, "unshare", "--mount", "sh", "-euc", _CRUN, "crun", "--root", str(place), *words]

    def _command(self, words: Sequence[str]) -> list[str]:
        self.folder.mkdir(exist_ok=True)
        command = [*self.image.config["Entrypoint"], *(words or self.image.config["Cmd"])]
        (self.folder / "config.json").write_text(json.dumps(self._bundle(self._process(command))))
        return self._crun("run", "--bundle", str(self.folder), self._name)

    def _process(self, command: Sequence[str]) -> Json:
        user, _, group = (self.user or self.image.config["User"]).partition(":")
        environment = _DEFAULT_ENVIRONMENT | self.image.environment | dict(self.variables)
        none: list[str] = []
        kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
        return {
            "terminal": False,
            "user": {"uid": int(user), "gid": int(group), "umask": 0o22},
            "args": list(command),
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": self.image.config["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": dict.fromkeys(kinds, none),
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 1024}],
        }

    def _bundle(self, process: Json) -> Json:
        tmpfs = {"type": "tmpfs", "source": "tmpfs"}
        volumes = [
            {"destination": inside, "type": "bind", "source": str(outside), "options": ["rbind", "rw"]}
            for inside, outside in self.volumes.items()
        ]
        return {
            "ociVersion": "1.0.2",
            "process": process,
            "root": {"path": str(self.image.root), "readonly": True},
            "hostname": "container",
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", **tmpfs, "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                {"destination": "/tmp", **tmpfs, "options": ["nosuid", "nodev", "mode=1777"]},
                *volumes,
            ],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]},
        }


def volume(folder: Path, owner: int) -> Path:
    """A folder as docker and podman make a new volume: with the owner and the mode of the image's folder."""
    folder.mkdir()
    os.chown(folder, owner, 0)
    folder.chmod(0o770)
    return folder

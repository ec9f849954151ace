"""What is in each package: files of the repository and of the build, in their places below a folder."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tools.deb.build_root import BuildRoot
from tools.deb.environment import ROOT, VENV

from bootgrant.service.commands.init_site import settings_file

PACKAGING: Final = ROOT / "packaging"
SETTINGS: Final = "/etc/bootgrant/bootgrant.toml"
_UNITS: Final = "usr/lib/systemd/system"
_COMPLETION: Final = {
    "bash": "usr/share/bash-completion/completions/bootgrant",
    "zsh": "usr/share/zsh/vendor-completions/_bootgrant",
    "fish": "usr/share/fish/vendor_completions.d/bootgrant.fish",
}
# In the unit that is in the repository, a person has installed bootgrant in /opt.
_PLACES: Final = (
    ("/opt/bootgrant/bin/bootgrant", "/usr/bin/bootgrant"),
    ("/var/lib/bootgrant/bootgrant.toml", SETTINGS),
)
_CONDITION: Final = "# Not before `bootgrant init` has made a site.\nConditionDirectoryNotEmpty=/var/lib/bootgrant\n"


def add_server(stage: Path, root: BuildRoot) -> None:
    """Add the files of the package `bootgrant`. The environment is moved out of the Debian that it was made in."""
    for shell, place in _COMPLETION.items():
        _write(stage / place, root.run(f"{VENV}/bin/bootgrant", "completion", shell))
    root.run(f"{VENV}/bin/bootgrant", "install", "man", "--dest", "/build/manual", "--prefix", "/usr")
    for page in root.path("/build/manual/usr/share/man/man1").iterdir():
        _write(stage / "usr/share/man/man1" / f"{page.name}.gz", _packed(page.read_bytes()))
    (stage / "usr/lib/bootgrant").mkdir(parents=True)
    root.path(VENV).rename(stage / VENV.lstrip("/"))
    (stage / "usr/bin").mkdir()
    (stage / "usr/bin/bootgrant").symlink_to("../lib/bootgrant/venv/bin/bootgrant")
    for name in ("bootgrant.service", "bootgrant.socket", "bootgrant-people.socket"):
        _write(stage / _UNITS / name, unit((PACKAGING / "systemd" / name).read_text()))
    _copy(PACKAGING / "debian/bootgrant.toml", stage / SETTINGS.lstrip("/"))
    examples = stage / "usr/share/doc/bootgrant/examples"
    shutil.copytree(ROOT / "src/bootgrant/service/commands/example_machines", examples / "machines")
    shutil.copytree(PACKAGING / "proxies", examples / "proxies")
    shutil.copytree(PACKAGING / "grafana", examples / "grafana")
    every = settings_file({"public_url": "https://boot.example.org"})
    _write(examples / "bootgrant.toml.gz", _packed(every.encode()))


def unit(text: str) -> str:
    """Return a unit of the repository as the package installs it."""
    for there, here in _PLACES:
        text = text.replace(there, here)
    head, section, rest = text.partition("[Unit]\n")
    return f"{head}{section}{_CONDITION}{rest}"


def add_acquire(stage: Path, root: BuildRoot) -> None:
    """Add the files of the package `bootgrant-acquire`. The zipapp is compiled for this Debian's Python."""
    library = stage / "usr/lib/bootgrant"
    root.run(f"{VENV}/bin/python", "-P", "-m", "bootgrant.cli.install.zipapp", "/build/bootgrant-acquire.pyz")
    for file in (
        root.path("/build/bootgrant-acquire.pyz"),
        PACKAGING / "initramfs/acquire-into",
        PACKAGING / "systemd/early-network",
    ):
        _copy(file, library / file.name)
    _copy(PACKAGING / "systemd/bootgrant-acquire.service", stage / _UNITS / "bootgrant-acquire.service")
    _copy(PACKAGING / "acquire.conf", stage / "etc/bootgrant/acquire.conf")


def add_initramfs(stage: Path, _: BuildRoot) -> None:
    """Add the files of the package `bootgrant-initramfs`: the hooks of both tools, each in the folder for packages."""
    _copy(PACKAGING / "initramfs/stage_python.py", stage / "usr/lib/bootgrant/stage_python.py")
    shutil.copytree(PACKAGING / "initramfs-tools", stage / "usr/share/initramfs-tools")
    modules = stage / "usr/lib/dracut/modules.d/90bootgrant"
    shutil.copytree(PACKAGING / "dracut/90bootgrant", modules)
    for script in modules.glob("*.sh"):
        script.chmod(0o755)
    _write(stage / "usr/lib/dracut/dracut.conf.d/50-bootgrant.conf", 'add_dracutmodules+=" bootgrant "\n')


def add_documents(stage: Path, package: str, documents: Iterable[tuple[str, str]]) -> None:
    """Add texts to the package's documentation; those that end in .gz are compressed."""
    for name, text in documents:
        content = text.encode()
        _write(stage / "usr/share/doc" / package / name, _packed(content) if name.endswith(".gz") else content)
    overrides = PACKAGING / "debian" / package / "lintian-overrides"
    if overrides.exists():
        _copy(overrides, stage / "usr/share/lintian/overrides" / package)


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=9, mtime=0)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _write(target: Path, content: str | bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)

"""Packages as files: a tree with its control files, packed by the dpkg-deb of the release."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from importlib.metadata import Distribution, distributions
from pathlib import Path
from string import Template
from typing import Final

from tools.deb.build_root import BuildRoot
from tools.deb.contents import add_acquire, add_documents, add_initramfs, add_server
from tools.deb.environment import ROOT, VENV
from tools.deb.legal import copyright_file

from bootgrant import __version__

_NUMBER: Final = {"bookworm": 12, "trixie": 13}
RELEASES: Final = tuple(_NUMBER)
_SCRIPTS: Final = ("postinst", "prerm", "postrm", "triggers")
_PRE_RELEASE: Final = re.compile(r"(?<=\d)\.?(?=a|b|rc|dev)")
_IN_ZIPAPP: Final = ("h11", "segno", "pyyaml")


@dataclass(frozen=True, slots=True)
class Release:
    """What the packages of one Debian release have in common."""

    codename: str
    suffix: str
    homepage: str
    maintainer: str
    level: int

    @property
    def version(self) -> str:
        """The version of the packages, which is older than that for the next Debian."""
        return f"{_PRE_RELEASE.sub('~', __version__)}{self.suffix}~deb{_NUMBER[self.codename]}"


def build_packages(root: BuildRoot, release: Release, out: Path) -> list[Path]:
    """Build every package of a release in ``root``, whose environment is complete."""
    facts = {
        "version": release.version,
        "homepage": release.homepage,
        "maintainer": release.maintainer,
        "architecture": root.run("dpkg", "--print-architecture").strip(),
        **_python_versions(root),
    }
    for old in out.glob(f"bootgrant*~deb{_NUMBER[release.codename]}_*.deb"):
        old.unlink()
    bundled = list(distributions(path=[str(next(root.path(VENV).glob("lib/python3.*/site-packages")))]))
    libraries = [each for each in bundled if each.name != "bootgrant"]
    contents: Mapping[str, tuple[Callable[[Path, BuildRoot], None], list[Distribution]]] = {
        "bootgrant-acquire": (add_acquire, [each for each in libraries if each.name.lower() in _IN_ZIPAPP]),
        "bootgrant-initramfs": (add_initramfs, []),
        "bootgrant": (add_server, libraries),
    }
    return [
        _build(root, release, out, name, add, _documents(name, release, root.epoch, licenses), facts)
        for name, (add, licenses) in contents.items()
    ]


def _build(
    root: BuildRoot,
    release: Release,
    out: Path,
    name: str,
    add: Callable[[Path, BuildRoot], None],
    documents: list[tuple[str, str]],
    facts: Mapping[str, str],
) -> Path:
    stage = root.path(f"/build/packages/{name}")
    stage.mkdir(parents=True)
    add(stage, root)
    add_documents(stage, name, documents)
    _write_control(stage, name, facts)
    _make_plain(stage, root.epoch)
    compression = ("-Zxz", f"-z{release.level}") if release.level else ("-Znone",)
    # One thread: the number of processors must not change the bytes.
    pack = ("dpkg-deb", "--root-owner-group", "--threads-max=1", *compression, "--build", f"/build/packages/{name}")
    root.run(*pack, "/build/package.deb")
    control = (stage / "DEBIAN/control").read_text()
    architecture = control.partition("Architecture: ")[2].partition("\n")[0]
    file = out / f"{name}_{release.version}_{architecture}.deb"
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root.path("/build/package.deb"), file)
    return file


def _documents(name: str, release: Release, epoch: int, licenses: list[Distribution]) -> list[tuple[str, str]]:
    changelog = (
        f"{name} ({release.version}) {release.codename}; urgency=medium\n\n"
        f"  * bootgrant {__version__}. CHANGELOG.md.gz says what changed.\n\n"
        f" -- {release.maintainer}  {formatdate(epoch)}\n"
    )
    return [
        ("changelog.gz", changelog),
        ("CHANGELOG.md.gz", (ROOT / "CHANGELOG.md").read_text()),
        ("copyright", copyright_file(release.homepage, licenses)),
    ]


def _python_versions(root: BuildRoot) -> dict[str, str]:
    """The Python that compiled modules are for, as a range."""
    minor = int(root.run("python3", "-c", "import sys; print(sys.version_info.minor)"))
    return {"python": f"3.{minor}~", "next_python": f"3.{minor + 1}~"}


def _write_control(stage: Path, name: str, facts: Mapping[str, str]) -> None:
    """Write the control files: fields, scripts, checksums, and the files that people may change."""
    source, target = ROOT / "packaging/debian" / name, stage / "DEBIAN"
    files = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    target.mkdir()
    control = Template((source / "control").read_text())
    (target / "control").write_text(control.substitute(facts, size=size))
    for script in _SCRIPTS:
        if (source / script).exists():
            shutil.copy(source / script, target)
    (target / "md5sums").write_text("".join(_checksums(stage, files)))
    if conffiles := [f"/{path.relative_to(stage)}\n" for path in files if path.is_relative_to(stage / "etc")]:
        (target / "conffiles").write_text("".join(conffiles))


def _checksums(stage: Path, files: list[Path]) -> Iterator[str]:
    for path in files:
        name = path.relative_to(stage)
        if name.parts[0] != "etc":
            yield f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {name}\n"


def _make_plain(stage: Path, epoch: int) -> None:
    """Give everything the same time, and modes that depend on no umask."""
    for path in (stage, *stage.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            # Some wheels mark libraries and modules as programs.
            is_program = mode & stat.S_IXUSR and path.suffix != ".py" and ".so" not in path.suffixes
            path.chmod(0o755 if stat.S_ISDIR(mode) or is_program else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)

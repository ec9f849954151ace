"""Make the bundle for a network without access to the internet: one archive that ``install.sh`` installs from.

    python -m tools.release.bundle RELEASE [--python 3.11 3.13] [--architecture x86_64] [--key KEY]

RELEASE is a folder that ``tools.release.build`` made. Everything in it is in the bundle, with the wheels of all locked
packages for each Python, and the documentation. The archive is written next to RELEASE.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.release.build import sign
from tools.release.lock import ARCHITECTURES, PYTHONS, ROOT, read

DEFAULT_PYTHONS: Final = ("3.11", "3.13")
"""Those of Debian 12 and 13."""
_GLIBC: Final = range(36, 4, -1)
"""Minor versions of glibc 2 whose wheels run on Debian 12."""
_DOCS: Final = ("docs", "examples", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md")


def download(folder: Path, lock: Path, python: str, architecture: str) -> None:
    """Fetch the wheels of the packages that the lock file has for this Python and architecture."""
    # pip evaluates markers for the Python that runs it, so only the entries that apply are handed to it.
    entries = [one.line for one in read(lock) if one.applies(python, architecture)]
    wanted = folder / "wanted.txt"
    wanted.write_text("\n".join(entries) + "\n", "utf-8")
    platforms = [f"manylinux_2_{minor}_{architecture}" for minor in _GLIBC]
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary", ":all:", "--require-hashes", "--implementation", "cp", "--python-version", python,
        *(word for platform in (*platforms, f"manylinux2014_{architecture}") for word in ("--platform", platform)),
        "--dest", str(folder), "--requirement", str(wanted),
    ]  # fmt: skip
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"bundle: the wheels for Python {python} on {architecture} could not be fetched; see above")
    wanted.unlink()


def bundle(release: Path, pythons: Sequence[str], architecture: str) -> Path:
    """Write the archive. The same release and the same arguments give the same bytes."""
    (lock,) = release.glob("bootgrant-*-requirements.txt")
    version = lock.name.removeprefix("bootgrant-").removesuffix("-requirements.txt")
    name = f"bootgrant-{version}-bundle-{architecture}"
    with tempfile.TemporaryDirectory(dir=release.parent, prefix=".bundle-") as work:
        top = Path(work, name)
        shutil.copytree(release, top / "release")
        shutil.copy(ROOT / "packaging/bundle/install.sh", top)
        (top / "wheels").mkdir()
        for python in pythons:
            print(f"fetching the wheels for Python {python} on {architecture} …", flush=True)
            download(top / "wheels", lock, python, architecture)
        (top / "wheels/PYTHONS").write_text("".join(f"{python}\n" for python in pythons), "utf-8")
        for document in tracked_documents():
            (top / document).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / document, top / document)
        archive = release.parent / f"{name}.tar"
        epoch = json.loads((release / f"bootgrant-{version}-build.json").read_text("utf-8"))["source_date_epoch"]
        pack(top, archive, epoch)
    return archive


def tracked_documents() -> Sequence[str]:
    """Return the files of the documentation that are committed."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", *_DOCS], capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def pack(top: Path, archive: Path, epoch: int) -> None:
    """Write a folder as an archive: sorted, with fixed times, modes, and owners. Wheels are compressed already."""

    def fixed(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = epoch, 0, 0, "root", "root"
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    part = archive.with_name(archive.name + ".part")
    with tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(top.rglob("*")):
            tar.add(path, path.relative_to(top.parent), recursive=False, filter=fixed)
    part.replace(archive)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path, metavar="RELEASE")
    parser.add_argument("--python", nargs="+", choices=PYTHONS, default=DEFAULT_PYTHONS, metavar="VERSION")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="x86_64")
    parser.add_argument("--key", type=Path, help="the SSH key that signs the archive")
    given = parser.parse_args()
    archive = bundle(given.release.resolve(), given.python, given.architecture)
    if given.key:
        sign(archive, given.key)
    print(archive)


if __name__ == "__main__":
    main()

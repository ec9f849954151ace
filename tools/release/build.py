"""Build a release: every artifact, bills of materials, checksums, and a signature.

    python -m tools.release.build FOLDER [--key KEY] [--only NAME ...]

The last commit is built in a clone of its own, with the time of that commit as the time of every file, so neither the
folder, the clock, the umask, nor files that are not committed change a byte. ``ARTIFACTS`` lists what is built.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from tools.release.lock import ROOT

SIGNER: Final = "bootgrant"
NAMESPACE: Final = "bootgrant-release"
"""The signer's name and the purpose in the signature (ssh-keygen -Y): a signature of something else is refused."""
_LONG_AGO: Final = 946684800
_VERSION: Final = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Artifact:
    """What one command makes in the clone, and the files that are then part of the release."""

    name: str
    command: Sequence[str]
    files: Sequence[str]


ARTIFACTS: Final = (
    Artifact("wheel", (sys.executable, "-m", "hatchling", "build", "-d", "dist"), ("dist/*.whl", "dist/*.tar.gz")),
    Artifact(
        "zipapp", (sys.executable, "-m", "bootgrant.cli.install.zipapp", "dist/bootgrant-acquire.pyz"), ("dist/*.pyz",)
    ),
    Artifact("sbom", (sys.executable, "-m", "tools.release.sbom", "dist"), ("dist/*.cdx.json",)),
    Artifact("deb", ("make", "deb"), ("dist/*.deb",)),
    Artifact("image", ("make", "image"), ("dist/*.oci.tar",)),
)


def build(folder: Path, artifacts: Sequence[Artifact], key: Path | None = None) -> None:
    """Build the artifacts of the last commit into a new folder. Raises SystemExit with what to do."""
    if _git("status", "--porcelain"):
        sys.exit("release: uncommitted changes would not be in the release; commit or stash them first")
    os.umask(0o022)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".release-") as work:
        source, part = Path(work, "source"), Path(work, "release")
        source_of_commit(source)
        part.mkdir()
        environment = building_environment(source)
        for artifact in artifacts:
            make(artifact, source, environment, part)
        version = version_of(source)
        shutil.copyfile(source / "requirements/run.txt", part / f"bootgrant-{version}-requirements.txt")
        (part / f"bootgrant-{version}-build.json").write_text(build_info(environment), "utf-8")
        (part / "SHA256SUMS").write_text(checksums(part), "utf-8")
        if key:
            sign(part / "SHA256SUMS", key)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)


def source_of_commit(folder: Path) -> None:
    """Clone the last commit. The environments and the Debian archives of this checkout are used from there.

    The files of the clone are old, so that make does not build those again.
    """
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(folder)], check=True)
    for path in folder.rglob("*"):
        os.utime(path, (_LONG_AGO, _LONG_AGO), follow_symlinks=False)
    (folder / "dist").mkdir()
    for name in (".cache", ".venv"):
        if (ROOT / name).is_dir():
            (folder / name).symlink_to(ROOT / name)


def building_environment(source: Path) -> Mapping[str, str]:
    """Return the environment of every build: the commit's time, no site packages of the caller, one locale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "MAKE"))}
    return {
        **kept,
        "SOURCE_DATE_EPOCH": _git("log", "-1", "--format=%ct"),
        "PYTHONPATH": f"{source}:{source / 'src'}",
        "PYTHONHASHSEED": "0",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


def make(artifact: Artifact, source: Path, environment: Mapping[str, str], part: Path) -> None:
    """Run the command of an artifact, and take its files."""
    print(f"building {artifact.name} …", flush=True)
    done = subprocess.run(artifact.command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        sys.exit(f"release: {' '.join(artifact.command)} failed; see above")
    found = [path for pattern in artifact.files for path in sorted(source.glob(pattern))]
    if not found:
        sys.exit(f"release: {' '.join(artifact.command)} made none of {', '.join(artifact.files)}")
    for path in found:
        shutil.move(path, part / path.name)


def version_of(source: Path) -> str:
    """Return the version of a checkout."""
    found = _VERSION.search((source / "src/bootgrant/__init__.py").read_text("utf-8"))
    if found is None:
        sys.exit("release: src/bootgrant/__init__.py has no __version__")
    return found[1]


def build_info(environment: Mapping[str, str]) -> str:
    """Say what made the release: with the same, the same bytes come out."""
    facts = {
        "commit": _git("rev-parse", "HEAD"),
        "source_date_epoch": int(environment["SOURCE_DATE_EPOCH"]),
        "python": platform.python_version(),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "hatchling": metadata.version("hatchling"),
        "machine": platform.machine(),
    }
    return json.dumps(facts, indent=2) + "\n"


def checksums(folder: Path) -> str:
    """Return the content of SHA256SUMS, as sha256sum writes it."""
    lines = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return "".join(lines)


def sign(file: Path, key: Path) -> None:
    """Sign a file, and write the line that a person who verifies it needs."""
    public = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    if not public.exists():
        sys.exit(f"release: {public} is missing: write it with ssh-keygen -y -f {key} > {public}")
    file.with_name(file.name + ".sig").unlink(missing_ok=True)
    done = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(file)], check=False)
    if done.returncode:
        sys.exit(f"release: {key} did not sign; is it a private key, or the public half of one in your ssh-agent?")
    kind, text = public.read_text("utf-8").split()[:2]
    signers = file.with_name("allowed_signers")
    signers.write_text(f'{SIGNER} namespaces="{NAMESPACE}" {kind} {text}\n', "utf-8")


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    names = [artifact.name for artifact in ARTIFACTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="it is replaced")
    parser.add_argument("--key", type=Path, help="the SSH key that signs the checksums")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help="build only these")
    given = parser.parse_args()
    build(given.folder.resolve(), [one for one in ARTIFACTS if one.name in given.only], given.key)
    print((given.folder / "SHA256SUMS").read_text("utf-8"), end="")


if __name__ == "__main__":
    main()

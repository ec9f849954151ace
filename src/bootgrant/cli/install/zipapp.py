"""Build ``bootgrant-acquire.pyz``: the client for machines in one file, for a ``python3`` without any packages.

    python -m bootgrant.cli.install.zipapp OUT

Inside are bootgrant's ``acquire``, ``wire``, ``trust`` and ``cli.acquire``, h11, segno and the pure-Python half of
PyYAML, as they are importable here, each with its licence. Every module is there twice: compiled for the Python that
runs this script (any other version passes it over and takes the source, which costs some 0.2 s per start). The same
sources and the same Python give the same bytes: names are sorted, times and modes are fixed, no path of this computer
is inside.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import py_compile
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bootgrant.cli.install.source import PACKAGE, licence

SHEBANG = b"#!/usr/bin/env python3\n"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can name
OURS = (
    "bootgrant/__init__.py",
    "bootgrant/cli/__init__.py",
    "bootgrant/cli/acquire.py",
    "bootgrant/cli/parsing.py",
    "bootgrant/cli/statuses.py",
    "bootgrant/extras.py",
    "bootgrant/trust.py",
)
OUR_FOLDERS = ("bootgrant/acquire", "bootgrant/wire")
MAIN = """\
import sys

from bootgrant.cli import main

sys.exit(main(["acquire", *sys.argv[1:]]))
"""
# Parts of libraries that the client never imports: other commands, and the C code that only speeds up YAML.
LEFT_OUT = {"h11": (), "segno": ("cli.py", "helpers.py"), "yaml": ("cyaml.py",)}
LICENCES = {"h11": "h11", "segno": "segno", "yaml": "PyYAML"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    out: Path = parser.parse_args().out
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Compiled code contains sets of names in hash order, so every build must use the same hashes.
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-P", "-m", "bootgrant.cli.install.zipapp", str(out)]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    build(out)


def build(out: Path) -> None:
    """Write the archive as an executable file, atomically."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    with part.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in sorted(contents().items()):
                add(archive, name, content)
    part.chmod(part.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    part.replace(out)


def contents() -> dict[str, bytes]:
    """Return every file of the archive by its name."""
    sources = {"__main__.py": MAIN.encode(), **dict(our_modules())}
    licences = {"licenses/bootgrant.txt": licence("bootgrant")}
    for package, project in LICENCES.items():
        sources.update(library_modules(package))
        licences[f"licenses/{package}.txt"] = licence(project)
    return sources | licences | {name + "c": compiled(name, source) for name, source in sources.items()}


def our_modules() -> Iterator[tuple[str, bytes]]:
    names = [Path(name) for name in OURS]
    for folder in OUR_FOLDERS:
        names += [path.relative_to(PACKAGE.parent) for path in (PACKAGE.parent / folder).rglob("*.py")]
    for name in names:
        yield name.as_posix(), (PACKAGE.parent / name).read_bytes()


def library_modules(package: str) -> Iterator[tuple[str, bytes]]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"the zipapp cannot be built: {package} is not installed")
    folder = Path(spec.origin).parent
    for path in folder.glob("*.py"):
        if path.name not in LEFT_OUT[package]:
            yield f"{package}/{path.name}", path.read_bytes()


def compiled(name: str, source: bytes) -> bytes:
    """Compile a module, marked so that Python does not compare it with its source."""
    with tempfile.TemporaryDirectory() as folder:
        file, target = Path(folder, "module.py"), Path(folder, "module.pyc")
        file.write_bytes(source)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(file), str(target), dfile=name, doraise=True, invalidation_mode=mode)
        return target.read_bytes()


def add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a file. Compiled code is stored uncompressed, because it is read at every start."""
    info = zipfile.ZipInfo(name, LONG_AGO)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.create_system = 3  # Unix
    info.compress_type = zipfile.ZIP_STORED if name.endswith(".pyc") else zipfile.ZIP_DEFLATED
    archive.writestr(info, content, compresslevel=9)


if __name__ == "__main__":
    main()

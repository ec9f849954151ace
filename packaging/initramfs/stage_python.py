"""Copy the parts of this Python that ``bootgrant-acquire.pyz`` needs into an initramfs tree, and list its programs.

    python3 -I -S stage_python.py PYZ TREE

Writes below TREE, where Python and OpenSSL look for them: the zipapp, the standard modules that it can reach (compiled,
about 200 of 1500) and the certificate authorities of this system. Prints one path per line: the Python executable and
the extension modules, which the caller copies together with their libraries.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import py_compile
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

INSTALLED_PYZ = "usr/lib/bootgrant/bootgrant-acquire.pyz"
# What Python imports by name when it starts, runs a zipapp, resolves a host name or prints a traceback.
UNSEEN = (
    "encodings.aliases", "encodings.ascii", "encodings.idna", "encodings.latin_1", "encodings.punycode",
    "encodings.utf_8", "encodings.utf_8_sig", "linecache", "pkgutil", "runpy", "stringprep", "traceback", "unicodedata",
    "zipimport", "zlib", "_strptime",
)  # fmt: skip
AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python3 -I -S stage_python.py PYZ TREE")
    pyz, tree = Path(sys.argv[1]), Path(sys.argv[2])
    install(pyz, tree / INSTALLED_PYZ)
    stage_authorities(tree)
    python = Path(os.path.realpath(sys.executable))
    link_python(python, tree)
    binaries = {python}
    for file in standard_modules(wanted_names(pyz)):
        if file.suffix == ".py":
            stage_module(file, tree)
        else:
            binaries.add(file)
    # Python recognises its home by a folder with this name.
    below(tree, Path(sysconfig.get_path("platstdlib"), "lib-dynload")).mkdir(parents=True, exist_ok=True)
    print("\n".join(sorted(map(str, binaries))))


def wanted_names(pyz: Path) -> set[str]:
    """Every module named in an import in the zipapp; ``from a import b`` may mean ``a.b``."""
    with zipfile.ZipFile(pyz) as archive:
        sources = [archive.read(name) for name in archive.namelist() if name.endswith(".py")]
        inside = {name.partition("/")[0].removesuffix(".py") for name in archive.namelist()}
    names = set(UNSEEN)
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            names.update(imported(node))
    return {name for name in names if name.partition(".")[0] not in inside}


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def standard_modules(names: Iterable[str]) -> list[Path]:
    """The files of those modules that this Python has, and of everything that they import."""
    for name in sorted(names):
        with contextlib.suppress(ImportError), contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module(name)
    home = Path(sysconfig.get_path("stdlib"))
    files = {getattr(module, "__file__", None) for name, module in sys.modules.items() if name != "__main__"}
    return sorted(Path(file) for file in files if file and home in Path(file).parents)


def stage_module(source: Path, tree: Path) -> None:
    """Install the module compiled, without its source, so that no start compiles it and no file time matters."""
    target = below(tree, source.with_suffix(".pyc"))
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(target), dfile=str(source), doraise=True, invalidation_mode=mode)


def stage_authorities(tree: Path) -> None:
    import ssl

    bundle = next((Path(name) for name in AUTHORITIES if Path(name).exists()), None)
    if bundle is None:
        print("stage_python: this system has no certificate authorities, so HTTPS will need --ca", file=sys.stderr)
        return
    install(bundle, below(tree, Path(ssl.get_default_verify_paths().openssl_cafile)))


def link_python(python: Path, tree: Path) -> None:
    link = tree / "usr/bin/python3"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists() and below(tree, python) != link:
        link.unlink(missing_ok=True)
        link.symlink_to(python)


def install(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)


def below(tree: Path, path: Path) -> Path:
    return tree / path.relative_to("/")


if __name__ == "__main__":
    main()

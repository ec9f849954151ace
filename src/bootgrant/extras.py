"""The extras of the package: what some commands import and others do not need, and how to install what is missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "server": (
        "argon2", "httptools", "jinja2", "joserfc", "jsonschema", "prometheus_client", "pycdlib", "pyrage",
        "python_multipart", "starlette", "uvicorn", "uvloop", "webauthn",
    ),
    "postgres": ("psycopg", "psycopg_pool"),
    "rehearse": ("httptools", "uvloop"),
    "keyring": ("keyring",),
    "acme": ("acme", "josepy"),
}  # fmt: skip
"""The modules of each extra in pyproject.toml. A module of several extras is reported as one of the first."""


def missing_module(extra: str) -> str | None:
    """Return a module of an extra that is not installed, if there is one."""
    return next((module for module in EXTRAS[extra] if find_spec(module) is None), None)


def extra_with(module: str | None) -> str | None:
    """Return the extra that has a module, which may be a part of a package."""
    top = (module or "").partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if top in modules), None)


def how_to_install(extra: str) -> str:
    """Return the command that adds an extra to this installation, from where it was installed."""
    wanted = f"'bootgrant[{extra}]{_origin()}'"
    environment = Path(sys.prefix)
    if (environment / "uv-receipt.toml").exists():
        return f"uv tool install {wanted}"
    if (environment / "pipx_metadata.json").exists():
        return f"pipx install --force {wanted}"
    return f"{sys.executable} -m pip install {wanted}"


def _origin() -> str:
    """Return the address of the file that this was installed from; empty if it is from a package index (PEP 610)."""
    import json
    from importlib import metadata

    try:
        recorded = metadata.distribution("bootgrant").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return ""
    return f" @ {json.loads(recorded)['url']}" if recorded else ""


def advice(extra: str, module: str) -> str:
    """Say that an extra is missing, and what to do."""
    return f"{module} is missing, a part of the extra {extra!r}: run `{how_to_install(extra)}`"

"""``requirements/packages.toml``: for each locked package its license, the day of its release, and what it needs.

    python -m tools.release.packages        write the table again, after `make lock` (`make packages`)

The licenses come from the packages that are installed here; the days and the dependencies from the registry, through
uv. The table is committed, so that a check needs no network and does not depend on the day on which it runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from license_expression import ExpressionError, get_spdx_licensing
from tools.release.lock import LOCK, ROOT, Locked, read

TABLE: Final = ROOT / "requirements/packages.toml"
_HEAD: Final = "# What is known about the packages of run.txt. Written by `make packages`; run it after `make lock`.\n"
_READ_BY_US: Final[Mapping[str, str]] = {
    "jinja2": "BSD-3-Clause",
    "pyasn1-modules": "BSD-2-Clause",
    "pyopenssl": "Apache-2.0",
    "pyrage": "MIT",
    "segno": "BSD-3-Clause",
    "uvloop": "Apache-2.0 OR MIT",
}
"""Licenses of packages whose metadata has no SPDX name, read in the license file that the package has."""
_REFUSED: Final = re.compile(r"^(A?GPL|SSPL|BUSL|CC-BY-NC|Elastic|Commons-Clause|LicenseRef)")
"""Licenses that forbid to distribute a package together with a program under Apache-2.0, or that restrict its use."""
_SPDX: Final = get_spdx_licensing()


@dataclass(frozen=True, slots=True)
class Package:
    """A row of the table."""

    name: str
    version: str
    license: str
    released: date
    requires: tuple[str, ...]

    @property
    def text(self) -> str:
        requires = ", ".join(f'"{name}"' for name in self.requires)
        return (
            f'\n["{self.name}"]\nversion = "{self.version}"\nlicense = "{self.license}"\n'
            f"released = {self.released}\nrequires = [{requires}]\n"
        )


def table(path: Path = TABLE) -> Mapping[str, Package]:
    """Read the table."""
    rows = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    return {
        name: Package(name, row["version"], row["license"], row["released"], tuple(row["requires"]))
        for name, row in rows.items()
    }


def problems(locked: Sequence[Locked], rows: Mapping[str, Package]) -> Iterator[str]:
    """Say what keeps the table from describing the lock file, and which licenses do not fit."""
    for one in locked:
        row = rows.get(one.name)
        if row is None or row.version != one.version:
            yield f"{one.name} {one.version} is not in requirements/packages.toml: run `make packages`"
        elif reason := refusal(row.license):
            yield f"{one.name}: {reason}"
    for name in sorted(rows.keys() - {one.name for one in locked}):
        yield f"{name} is not locked any more: run `make packages`"


def refusal(license_: str) -> str:
    """Say why a package with this license cannot be part of a release; empty if it can."""
    try:
        parsed = _SPDX.parse(license_, validate=True)
    except ExpressionError as error:
        return f"its license {license_!r} is not an SPDX expression ({error}): add it to tools/release/packages.py"
    choices = parsed.args if "OR" in license_ and " AND " not in license_ else (parsed,)
    if any(not _refused(choice) for choice in choices):
        return ""
    return f"its license {license_} does not fit a release under Apache-2.0: use another package"


def _refused(choice: Any) -> bool:
    return any(_REFUSED.match(str(symbol.key)) for symbol in choice.symbols)


def stated_license(name: str, version: str) -> str:
    """Return the license of an installed package, as an SPDX expression where its metadata has one.

    Raises LookupError if this version is not installed here.
    """
    try:
        facts = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        raise LookupError(f"{name} is not installed") from None
    if facts["Version"] != version:
        raise LookupError(f"{name} {facts['Version']} is installed, not {version}")
    expression, free_text = (facts.get_all(field) or [""] for field in ("License-Expression", "License"))
    return expression[0] or _READ_BY_US.get(name) or free_text[0] or "unknown"


def written(locked: Sequence[Locked], known: Mapping[str, Package], registry: Mapping[str, Any]) -> Iterator[Package]:
    """Yield the rows of a new table. A package that is only for another Python keeps its row."""
    names = {one.name for one in locked}
    for one in locked:
        entry = registry[one.name]
        files = [*entry.get("wheels", ()), *filter(None, (entry.get("sdist"),))]
        first = min(datetime.fromisoformat(file["upload-time"]).date() for file in files)
        requires = sorted({needed["name"] for needed in entry.get("dependencies", ())} & names)
        try:
            license_ = stated_license(one.name, one.version)
        except LookupError:
            if one.name not in known:
                raise
            license_ = known[one.name].license
        yield Package(one.name, one.version, license_, first, tuple(requires))


def registry_entries(locked: Sequence[Locked], uv: str) -> Mapping[str, Any]:
    """Ask the registry for the files of each package, by a lock file of uv in a temporary folder."""
    pins = ", ".join(f'"{one.name}=={one.version}"' for one in locked)
    project = f'[project]\nname = "x"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = [{pins}]\n'
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text(project)
        subprocess.run([uv, "lock", "--quiet", "--project", folder], check=True)
        lock = tomllib.loads(Path(folder, "uv.lock").read_text("utf-8"))
    return {entry["name"]: entry for entry in lock["package"]}


def main() -> None:
    uv = sys.argv[1]
    locked = read(LOCK)
    rows = written(locked, table(), registry_entries(locked, uv))
    TABLE.write_text(_HEAD + "".join(row.text for row in rows), "utf-8")


if __name__ == "__main__":
    main()

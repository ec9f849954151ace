"""The software bill of materials (CycloneDX 1.6, JSON): what an installation of the lock file consists of.

    python -m tools.release.sbom FOLDER

It has no time and no random number inside, so the same lock file gives the same bytes. The bill of the wheel is
committed, so that a wheel built from any checkout has it (PEP 770); it leaves out the hashes of the packages' files,
which the bill next to the artifacts has.
"""

from __future__ import annotations

import json
import sys
import tomllib
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools.release.lock import ROOT, Locked, read
from tools.release.packages import Package, table

from bootgrant import __version__

WHEEL_SBOM: Final = ROOT / "requirements/bootgrant.cdx.json"
ZIPAPP_PACKAGES: Final = ("h11", "pyyaml", "segno")
"""The libraries inside ``bootgrant-acquire.pyz`` (bootgrant.cli.install.zipapp)."""
_LICENSES: Final = LicenseFactory()


def installation_sbom(locked: Sequence[Locked], rows: Mapping[str, Package], *, with_files: bool = True) -> str:
    """Return the bill of everything that the lock file installs: what a deb, an image, or a bundle contains."""
    return _document("bootgrant", locked, rows, direct_dependencies(), with_files=with_files)


def zipapp_sbom(locked: Sequence[Locked], rows: Mapping[str, Package]) -> str:
    """Return the bill of the machine's half in one file."""
    inside = [one for one in locked if one.name in ZIPAPP_PACKAGES]
    return _document("bootgrant-acquire", inside, rows, frozenset(ZIPAPP_PACKAGES), with_files=True)


def direct_dependencies() -> frozenset[str]:
    """Return the packages that pyproject.toml names, with and without extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return frozenset(canonicalize_name(Requirement(one).name) for one in wanted)


def _document(
    name: str, locked: Sequence[Locked], rows: Mapping[str, Package], direct: frozenset[str], *, with_files: bool
) -> str:
    root = Component(
        name=name,
        type=ComponentType.APPLICATION,
        version=__version__,
        licenses=[_LICENSES.make_from_string("Apache-2.0")],
        purl=PackageURL("pypi", None, name, __version__) if name == "bootgrant" else None,
        bom_ref=f"{name}@{__version__}",
    )
    parts = {one.name: _component(one, rows[one.name], with_files=with_files) for one in locked}
    lifecycles = [PredefinedLifecycle(LifecyclePhase.BUILD)]
    bom = Bom(components=parts.values(), metadata=BomMetaData(component=root, lifecycles=lifecycles))
    bom.register_dependency(root, [parts[one] for one in parts if one in direct])
    for one, component in parts.items():
        bom.register_dependency(component, [parts[needed] for needed in rows[one].requires if needed in parts])
    return _reproducible(json.loads(JsonV1Dot6(bom).output_as_string()), name)


def _component(one: Locked, row: Package, *, with_files: bool) -> Component:
    purl = PackageURL("pypi", None, one.name, one.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(purl.to_string()),
        comment="SHA-256 of each file of this version that pip accepts",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hash_) for hash_ in one.hashes],
    )
    return Component(
        name=one.name,
        type=ComponentType.LIBRARY,
        version=one.version,
        licenses=[_LICENSES.make_from_string(row.license)],
        purl=purl,
        bom_ref=f"{one.name}@{one.version}",
        external_references=[files] if with_files else [],
    )


def _reproducible(document: dict[str, Any], name: str) -> str:
    """Replace the random serial number by one made of the content, and leave out the time."""
    del document["serialNumber"], document["metadata"]["timestamp"]
    content = json.dumps(document, sort_keys=True)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"{name}:{content}")
    return json.dumps({"serialNumber": f"urn:uuid:{serial}", **document}, indent=1, sort_keys=True) + "\n"


def main() -> None:
    folder = Path(sys.argv[1])
    locked, rows = read(), table()
    (folder / f"bootgrant-{__version__}.cdx.json").write_text(installation_sbom(locked, rows), "utf-8")
    (folder / f"bootgrant-acquire-{__version__}.cdx.json").write_text(zipapp_sbom(locked, rows), "utf-8")


if __name__ == "__main__":
    main()

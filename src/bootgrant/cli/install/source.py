"""Where this package is, and the files that it installs elsewhere: inside it, or in a clone in ``packaging/``."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Final

import bootgrant

PACKAGE: Final = Path(bootgrant.__file__).parent
_CLONE: Final = PACKAGE.parents[1]
_INSIDE: Final = PACKAGE / "packaging"
PACKAGING: Final = _INSIDE if _INSIDE.is_dir() else _CLONE / "packaging"


def licence(project: str) -> bytes:
    """Return the licence of an installed project, or of this one. Raises FileNotFoundError."""
    if project == "bootgrant" and PACKAGING != _INSIDE:
        return (_CLONE / "LICENSE").read_bytes()
    for file in metadata.files(project) or ():
        if file.name.startswith("LICENSE"):
            return Path(str(file.locate())).read_bytes()
    raise FileNotFoundError(f"{project} has no licence file")

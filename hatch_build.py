"""The parts of the package's metadata that depend on where the project is published: its addresses and its readme.

The readme of a package index has no files next to it, so relative links and pictures become absolute. PROJECT_URL in
the environment is the project's address on its forge; otherwise `home` in pyproject.toml.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s]+)")
_PICTURE = re.compile(r'(?<=<img src=")(?![a-z]+:)([^"]+)')


class Addresses(MetadataHookInterface):
    """Add `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        home = (os.environ.get("PROJECT_URL") or str(self.config["home"])).rstrip("/")
        tag = f"v{metadata['version']}"
        files = f"{home}/blob/{tag}"
        metadata["urls"] = {
            "Homepage": home,
            "Documentation": f"{files}/docs/README.md",
            "Source": home,
            "Issues": f"{home}/issues",
            "Changelog": f"{files}/CHANGELOG.md",
            "Security": f"{files}/SECURITY.md",
        }
        text = Path(self.root, "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, home, tag)}


def absolute(text: str, home: str, tag: str) -> str:
    """Return Markdown whose links and pictures do not depend on where it is shown."""
    linked = _LINK.sub(rf"{home}/blob/{tag}/\1", text)
    return _PICTURE.sub(rf"{home}/raw/{tag}/\1", linked)

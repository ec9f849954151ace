"""The copyright file of a package: the licenses of everything in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
# Debian has these texts once for all packages.
_COMMON: Final = {
    ("Apache License", "Version 2.0, January 2004"): "Apache-2.0",
    ("GNU LESSER GENERAL PUBLIC LICENSE", "Version 3, 29 June 2007"): "LGPL-3",
    ("GNU GENERAL PUBLIC LICENSE", "Version 3, 29 June 2007"): "GPL-3",
    ("Mozilla Public License Version 2.0", "1. Definitions"): "MPL-2.0",
}
_HEAD: Final = """\
bootgrant
Source: {homepage}
Copyright (C) 2026 the bootgrant developers
License: Apache-2.0

On Debian systems, the text of the Apache License, Version 2.0, is in
/usr/share/common-licenses/Apache-2.0.
"""
_BUNDLED: Final = """
This package contains the following Python packages, unchanged, each as its
authors published it, with its license.
"""


def copyright_file(homepage: str, bundled: Iterable[Distribution]) -> str:
    """Return the text for bootgrant, and for the packages that are in the same Debian package."""
    packages = [text for each in sorted(bundled, key=lambda each: each.name.lower()) for text in _package(each)]
    return _HEAD.format(homepage=homepage) + (_BUNDLED if packages else "") + "".join(packages)


def _package(package: Distribution) -> Iterator[str]:
    fields = package.metadata
    said = next((fields[name] for name in ("License-Expression", "License") if name in fields), "")
    title = f"{package.name} {package.version}"
    yield f"\n{'-' * 70}\n{title}\n"
    if said and "\n" not in said:
        yield f"License: {said}\n"
    for file in sorted(package.files or (), key=str):
        place = Path(str(package.locate_file(file)))
        if ".dist-info/" in str(file) and file.name.upper().startswith(("LICEN", "COPYING", "NOTICE", "AUTHORS")):
            yield f"\n{_text(place)}\n"


def _text(path: Path) -> str:
    text = path.read_text("utf-8")
    for (name, version), common in _COMMON.items():
        if name in text and version in text:
            return f"On Debian systems, the text of {path.name} is in /usr/share/common-licenses/{common}."
    return text.strip()

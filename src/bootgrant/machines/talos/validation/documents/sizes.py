"""Sizes of volumes: texts such as ``10GiB``, and for the largest size also ``50%``."""

from __future__ import annotations

from bootgrant.machines.talos.go_sizes import byte_size
from bootgrant.machines.talos.validation.documents.rules import Section


def smallest(provisioning: Section) -> int | None:
    """Return the bytes of ``minSize`` without a sign, None if it is not set."""
    text = provisioning.text("minSize")
    return _magnitude(text) if text else None


def largest_text(provisioning: Section) -> str:
    """Return ``maxSize``. Talos 1.11 has no percentages, so there its value is a text as it is for ``minSize``."""
    value = provisioning.fields.get("maxSize") or ""
    if isinstance(value, str):
        return value
    percentage, size = value
    text: str = size or percentage
    return text


def largest(provisioning: Section) -> int | None:
    """Return the bytes of ``maxSize`` without a sign, None if it is not set or a percentage."""
    text = largest_text(provisioning)
    return None if not text or "%" in text else _magnitude(text)


def _magnitude(text: str) -> int:
    return byte_size(text.removeprefix("-"))


def is_negative(text: str) -> bool:
    return text.startswith("-")

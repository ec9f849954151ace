"""A setting as people may see it on the pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """``value`` is empty when nothing is set, and when it is hidden because there may be a secret in it."""

    key: str
    value: str
    help: str
    is_default: bool
    is_hidden: bool = False

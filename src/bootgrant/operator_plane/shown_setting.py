"""A setting as the pages and the API show it. Imports nothing: every command reads the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """``value`` is empty if nothing is set, or if it is hidden because it may contain a secret."""

    key: str
    value: str
    help: str
    is_default: bool
    is_hidden: bool = False

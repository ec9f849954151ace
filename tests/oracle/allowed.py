"""The differences that docs/composer.md lists, each with its reason."""

from __future__ import annotations

from typing import Final

from oracle.comparing import Allowed

ALLOWED: Final[list[Allowed]] = []

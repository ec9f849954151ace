"""A setting as the pages and the API show it. Imports nothing: every command reads the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """``value`` is empty if nothing is set, or if it is hidden because it may contain a secret.

    ``summary`` is what auditors and admins see of a hidden one, without secrets: a line for each table.
    """

    key: str
    value: str
    help: str
    is_default: bool
    is_hidden: bool = False
    summary: str = ""

    def with_summary(self) -> ShownSetting:
        """Return the setting as auditors and admins see it."""
        return replace(self, value=self.summary, is_hidden=False) if self.is_hidden and self.summary else self

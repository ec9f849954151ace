"""What is wrong with the settings of a site."""

from __future__ import annotations


class SettingsError(Exception):
    """A setting that cannot be used; the text names the file or variable, the key, and what to write."""

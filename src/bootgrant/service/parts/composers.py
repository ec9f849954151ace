"""The composers by their names in the settings. ``bootgrant patch`` needs nothing else of the server."""

from __future__ import annotations

from typing import Final

from bootgrant.machines.finish.rendering import Compose, in_python
from bootgrant.sources.talosctl import Talosctl

COMPOSERS: Final[dict[str, Compose]] = {"bootgrant": in_python, "talosctl": Talosctl().compose}

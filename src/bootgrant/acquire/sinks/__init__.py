"""Where the configuration goes: a file, a NoCloud seed or an Ignition file (``files``), or a stream (``streams``)."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """A place for one configuration."""

    def already_there(self) -> str | None:
        """Describe the complete configuration that is already there; None if it must be fetched.

        Raises OutputFailed if writing will fail, so that nobody has to approve in vain.
        """

    def write(self, config: bytes) -> str:
        """Write ``config`` and return a description of the place (``/run/machine.yaml``). Raises OutputFailed."""

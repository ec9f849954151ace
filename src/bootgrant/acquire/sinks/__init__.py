"""Where the configuration goes: a file, standard output, a NoCloud seed, an Ignition file, a command.

What lands on disk is complete or absent (written beside, flushed, renamed), readable by its owner only (0600), and
still there after a power cut (the file and its folder are flushed). Each sink is a module of its own, imported when
it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

NOCLOUD_SEED = Path("/var/lib/cloud/seed/nocloud")


class Sink(Protocol):
    """One place for one configuration."""

    def already_there(self) -> str | None:
        """A description of the complete configuration that is there already, None when it must be fetched.

        Raises OutputFailed when the place can be seen to be impossible before anybody is asked to approve.
        """

    def write(self, config: bytes) -> str:
        """Put ``config`` there and return a description of the place (``/run/machine.yaml``); raises OutputFailed."""


def file_sink(path: Path) -> Sink:
    """The file ``path``; missing folders above it are made."""
    from bootgrant.acquire.sinks.file import FileSink

    return FileSink(path)


def stdout_sink() -> Sink:
    """Standard output; nothing is ever there already."""
    from bootgrant.acquire.sinks.stdout import StdoutSink

    return StdoutSink()


def nocloud_sink(directory: Path = NOCLOUD_SEED, *, instance_id: str = "", hostname: str = "") -> Sink:
    """A cloud-init NoCloud seed: ``user-data`` and ``meta-data`` below ``directory``.

    ``instance_id`` should be what the machine is (its UUID); without one it is made from the configuration.
    """
    from bootgrant.acquire.sinks.nocloud import NoCloudSink

    return NoCloudSink(directory, instance_id=instance_id, hostname=hostname)


def ignition_sink(path: Path) -> Sink:
    """An Ignition configuration as the file ``path`` (``/usr/lib/ignition/user.ign`` in an initramfs)."""
    from bootgrant.acquire.sinks.ignition import IgnitionSink

    return IgnitionSink(path)


def exec_sink(command: str) -> Sink:
    """A shell command with the configuration on its standard input; nothing is ever there already."""
    from bootgrant.acquire.sinks.command import CommandSink

    return CommandSink(command)

"""A folder of finished configurations, one file per machine: ``<uuid>.yaml``, ``<serial>.yaml``, ``<mac>.yaml``.

A uuid is written in lower or upper case, a mac with dashes. The first that is there wins, in that order.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bootgrant.ports.config_source import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.wire.identity import MachineIdentity, canonical_mac, canonical_uuid, swapped_uuid
from bootgrant.wire.limits import CONFIG

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class DirectorySource:
    """ports.config_source.ConfigSource on a folder. Every request reads the folder as it is at that moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        return await asyncio.to_thread(self._find, identity)

    async def named_entry(self, name: str) -> MachineEntry | None:
        return await asyncio.to_thread(self._named, name)

    async def entries(self) -> Sequence[MachineEntry]:
        return await asyncio.to_thread(self._all)

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        config = await asyncio.to_thread(self._read, name)
        return None if config is None else Rendered(MachineEntry(name, "approved"), config, "file")

    async def preview(self, name: str, identity: MachineIdentity) -> str | None:
        # What is secret in a finished file is not known here, so nothing of it is shown.
        config = await asyncio.to_thread(self._read, name)
        return None if config is None else f"# {name}: a finished file of {len(config)} bytes, served as it is\n"

    def _find(self, identity: MachineIdentity) -> MachineEntry | None:
        self._check_folder()
        for variable, name in _candidates(identity):
            if self._path(name) is not None:
                return MachineEntry(name, variable)
        return None

    def _named(self, name: str) -> MachineEntry | None:
        self._check_folder()
        return MachineEntry(name, "name") if _SAFE_NAME.fullmatch(name) and self._path(name) is not None else None

    def _all(self) -> Sequence[MachineEntry]:
        self._check_folder()
        names = sorted(path.name for path in self._folder.glob("*.yaml") if _SAFE_NAME.fullmatch(path.name))
        return [MachineEntry(name, "name") for name in names if self._path(name) is not None]

    def _read(self, name: str) -> bytes | None:
        self._check_folder()
        path = self._path(name)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                content = file.read(CONFIG + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigUnavailable(
                f"{path} cannot be read: {error.strerror}", "config unreadable, retrying"
            ) from error
        if not content.strip():
            raise ConfigUnavailable(f"{path} is empty: write the configuration into it", "config empty, retrying")
        if len(content) > CONFIG:
            raise ConfigUnavailable(f"{path} is larger than {CONFIG >> 20} MiB", "config too large")
        return content

    def _check_folder(self) -> None:
        try:
            os.scandir(self._folder).close()
        except OSError as error:
            raise ConfigUnavailable(
                f"the machines folder {self._folder} cannot be read: {error.strerror}", "no configs readable, retrying"
            ) from error

    def _path(self, name: str) -> Path | None:
        """The file of this name, when it is a regular one inside the folder (links may not lead out)."""
        path = self._folder / name
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        if not real.is_relative_to(self._folder.resolve()):
            raise ConfigUnavailable(
                f"{path} leads out of {self._folder}: put the file itself there", "config misplaced"
            )
        return real if real.is_file() else None


def _candidates(identity: MachineIdentity) -> Iterator[tuple[str, str]]:
    # A serial number that looks like a uuid or a mac would find the file of the machine that has these.
    serial = "" if canonical_uuid(identity.serial) or canonical_mac(identity.serial) else identity.serial
    # Firmware disagrees about the byte order of the UUID, so what the label says may be its other form.
    swapped = swapped_uuid(identity.uuid) if identity.uuid else ""
    for variable, stem in (
        ("uuid", identity.uuid),
        ("uuid", identity.uuid.upper()),
        ("uuid", swapped),
        ("uuid", swapped.upper()),
        ("serial", serial),
        ("mac", identity.mac.replace(":", "-")),
        ("mac", identity.mac.replace(":", "-").upper()),
    ):
        if _SAFE_NAME.fullmatch(stem):
            yield variable, f"{stem}.yaml"

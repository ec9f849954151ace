"""A folder of finished configurations, one file per machine: ``<uuid>.yaml``, ``<serial>.yaml``, ``<mac>.yaml``.

A uuid is written in lower or upper case, a mac with dashes. The first that is there wins, in that order. Such files
may also stand beside a ``machines.yaml``; then only those with a uuid or a mac are found, because another name may be
that of a layer.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bootgrant.machines.composing import machine_type
from bootgrant.ports.config_source import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.sources.finished_files import variable_of
from bootgrant.wire.identity import MachineIdentity, canonical_mac, canonical_uuid, swapped_uuid
from bootgrant.wire.limits import CONFIG

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class DirectorySource:
    """ports.config_source.ConfigSource on a folder. Every request reads the folder as it is at that moment.

    ``beside`` leaves out the files that are named after a serial number.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._types: dict[str, tuple[tuple[int, int, int], str]] = {}

    async def find_entry(self, identity: MachineIdentity, *, beside: bool = False) -> MachineEntry | None:
        return await asyncio.to_thread(self._find, identity, beside)

    async def named_entry(self, name: str, *, beside: bool = False) -> MachineEntry | None:
        return await asyncio.to_thread(self._named, name, beside)

    async def entries(self) -> Sequence[MachineEntry]:
        return await asyncio.to_thread(self._all)

    async def render(self, name: str, identity: MachineIdentity, beside: bool = False) -> Rendered | None:
        return await asyncio.to_thread(self._rendered, name, beside)

    async def preview(self, name: str, identity: MachineIdentity, beside: bool = False) -> str | None:
        # What is secret in a finished file is not known here, so nothing of it is shown.
        config = await asyncio.to_thread(self._read, name, beside)
        return None if config is None else f"# {name}: a finished file of {len(config)} bytes, served as it is\n"

    def _find(self, identity: MachineIdentity, beside: bool) -> MachineEntry | None:
        self._check_folder()
        for variable, name in _candidates(identity):
            if (path := self._path(name, beside)) is not None:
                return self._entry(name, variable, path)
        return None

    def _named(self, name: str, beside: bool) -> MachineEntry | None:
        self._check_folder()
        if not _SAFE_NAME.fullmatch(name) or (path := self._path(name, beside)) is None:
            return None
        return self._entry(name, "name", path)

    def _all(self) -> Sequence[MachineEntry]:
        self._check_folder()
        names = sorted(path.name for path in self._folder.glob("*.yaml") if _SAFE_NAME.fullmatch(path.name))
        paths = ((name, self._path(name, beside=False)) for name in names)
        return [self._entry(name, "name", path) for name, path in paths if path is not None]

    def _entry(self, name: str, matched: str, path: Path) -> MachineEntry:
        stem = name.removesuffix(".yaml")
        match = {variable_of(stem): (canonical_uuid(stem) or canonical_mac(stem) or stem,)}
        return MachineEntry(name, matched, layers=(name,), match=match, machine_type=self._type(path))

    def _type(self, path: Path) -> str:
        """``machine.type`` of a file: a control plane is one also when nobody says so in a ``machines.yaml``."""
        try:
            told = path.stat()
            stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
            known = self._types.get(str(path))
            if known is None or known[0] != stamp:
                known = (stamp, machine_type(_content(path)))
                self._types[str(path)] = known
        except OSError:
            return ""
        return known[1]

    def _rendered(self, name: str, beside: bool) -> Rendered | None:
        config = self._read(name, beside)
        if config is None:
            return None
        entry = MachineEntry(name, "approved", layers=(name,), machine_type=machine_type(config))
        return Rendered(entry, config, "file")

    def _read(self, name: str, beside: bool) -> bytes | None:
        self._check_folder()
        path = self._path(name, beside)
        if path is None:
            return None
        try:
            content = _content(path)
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

    def _path(self, name: str, beside: bool) -> Path | None:
        """The file of this name, when it is a regular one inside the folder (links may not lead out)."""
        if beside and variable_of(name.removesuffix(".yaml")) == "serial":
            return None
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


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(CONFIG + 1)


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

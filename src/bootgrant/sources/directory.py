"""A folder of finished configurations, one file per machine: ``<uuid>.yaml``, ``<serial>.yaml``, ``<mac>.yaml``.

A uuid is written in lower or upper case, a mac with dashes. The first that is there wins, in that order. Such files
may also stand beside a ``machines.yaml``; then only those with a uuid or a mac are found, because another name may be
that of a layer.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootgrant.machines.finish.validation import Judgement, Rules, judged
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.sources.finished_files import schema_of, variable_of
from bootgrant.wire.identity import MachineIdentity, canonical_mac, canonical_uuid, swapped_uuid
from bootgrant.wire.limits import CONFIG

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
INVALID: Final = "config invalid, see server log"


Stamp = tuple[int, int, int, int]
"""Modification and change times (ns), size, inode."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was judged: ``stamp`` as the file was then, ``digest`` is its content's SHA-256."""

    stamp: Stamp
    digest: bytes
    judgement: Judgement


class DirectorySource:
    """ports.configurations.ConfigSource on a folder. Every request reads the folder as it is at that moment.

    ``rules`` are what a configuration of Talos is held to. ``beside`` leaves out the files that are named after a
    serial number.
    """

    def __init__(self, folder: Path, rules: Rules | None = None) -> None:
        self._folder = folder
        self._rules = rules or Rules()
        self._known: dict[str, _Known] = {}

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
        made = await asyncio.to_thread(self._rendered, name, beside)
        return None if made is None else f"# {name}: a finished file of {len(made.config)} bytes, served as it is\n"

    def _find(self, identity: MachineIdentity, beside: bool) -> MachineEntry | None:
        self._check_folder()
        for variable, name in _candidates(identity):
            if (path := self._path(name, beside)) is not None:
                return self._sound_entry(name, variable, path)
        return None

    def _named(self, name: str, beside: bool) -> MachineEntry | None:
        self._check_folder()
        if not _SAFE_NAME.fullmatch(name) or (path := self._path(name, beside)) is None:
            return None
        return self._sound_entry(name, "name", path)

    def _all(self) -> Sequence[MachineEntry]:
        self._check_folder()
        names = sorted(path.name for path in self._folder.glob("*.yaml") if _SAFE_NAME.fullmatch(path.name))
        paths = ((name, self._path(name, beside=False)) for name in names)
        return [_entry(name, "name", self._listed_type(path)) for name, path in paths if path is not None]

    def _listed_type(self, path: Path) -> str:
        """A list holds the files too that cannot be served: their machines are told why."""
        try:
            judgement = self._judgement(path)
        except ConfigUnavailable:
            return ""
        return judgement.machine_type if judgement else ""

    def _sound_entry(self, name: str, matched: str, path: Path) -> MachineEntry | None:
        judgement = self._judgement(path)
        return None if judgement is None else _entry(name, matched, _sound(path, judgement).machine_type)

    def _rendered(self, name: str, beside: bool) -> Rendered | None:
        self._check_folder()
        path = self._path(name, beside)
        read = None if path is None else _read(path)
        if path is None or read is None:
            return None
        judgement = _sound(path, self._judged(path, *read))
        return Rendered(_entry(name, "approved", judgement.machine_type), read[0], "file")

    def _judgement(self, path: Path) -> Judgement | None:
        """As ``_judged``, and read only when the file has changed. None when it is gone. Raises ConfigUnavailable."""
        known = self._known.get(str(path))
        try:
            if known is not None and known.stamp == _stamp(path.stat()):
                return known.judgement
        except OSError:
            return None
        read = _read(path)
        return None if read is None else self._judged(path, *read)

    def _judged(self, path: Path, content: bytes, stamp: Stamp) -> Judgement:
        """Whether this content may be served, and which machine it makes."""
        digest = hashlib.sha256(content).digest()
        known = self._known.get(str(path))
        if known is not None and known.digest == digest:
            judgement = known.judgement
        else:
            judgement = judged(content, schema_of(content), self._rules)
        self._known[str(path)] = _Known(stamp, digest, judgement)
        return judgement

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
            mode = path.lstat().st_mode
            # Nearly all are no links, or not there: following links costs many times what looking does.
            if stat.S_ISREG(mode):
                return path
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        if not real.is_relative_to(self._folder.resolve()):
            raise ConfigUnavailable(
                f"{path} leads out of {self._folder}: put the file itself there", "config misplaced"
            )
        return real if real.is_file() else None


def _read(path: Path) -> tuple[bytes, Stamp] | None:
    """The content and the stamp that it had; None when the file is gone. Raises ConfigUnavailable."""
    try:
        with path.open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            content = file.read(CONFIG + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigUnavailable(f"{path} cannot be read: {error.strerror}", "config unreadable, retrying") from error
    if not content.strip():
        raise ConfigUnavailable(f"{path} is empty: write the configuration into it", "config empty, retrying")
    if len(content) > CONFIG:
        raise ConfigUnavailable(f"{path} is larger than {CONFIG >> 20} MiB", "config too large")
    return content, stamp


def _stamp(told: os.stat_result) -> Stamp:
    return told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino


def _sound(path: Path, judgement: Judgement) -> Judgement:
    """The judgement, if the file may be served. Raises ConfigUnavailable, which says where it is wrong."""
    wrong = [fault for fault in judgement.faults if fault.is_fatal]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ConfigUnavailable(f"{path} cannot be served: line {wrong[0].line}: {wrong[0].message}{more}", INVALID)
    return judgement


def _entry(name: str, matched: str, machine_type: str) -> MachineEntry:
    stem = name.removesuffix(".yaml")
    match = {variable_of(stem): (canonical_uuid(stem) or canonical_mac(stem) or stem,)}
    return MachineEntry(name, matched, layers=(name,), match=match, machine_type=machine_type)


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

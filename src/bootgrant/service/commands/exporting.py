"""Finished configurations as files, for machines without a server: a ``metal-iso`` image, or a folder with all.

They contain secrets in clear, so only their owner can read them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import pycdlib

from bootgrant.machines.site.findings import SiteBroken
from bootgrant.service.commands.machines import Snapshot, finish
from bootgrant.wire.identity import MachineIdentity

ISO_LABEL = "metal-iso"
"""The volume label that Talos looks for (``platform/metal/metal.go``)."""
_SUFFIXES = {"application/json": ".json", "application/vnd.coreos.ignition+json": ".ign"}


def metal_iso(config: bytes) -> bytes:
    """Return an ISO 9660 image with ``config.yaml``, as ``talos.config=metal-iso`` reads it."""
    image = pycdlib.PyCdlib()
    image.new(vol_ident=ISO_LABEL, interchange_level=4, joliet=3, rock_ridge="1.09")
    image.add_fp(io.BytesIO(config), len(config), "/config.yaml", rr_name="config.yaml", joliet_path="/config.yaml")
    written = io.BytesIO()
    image.write_fp(written)
    image.close()
    return written.getvalue()


def write_private(path: Path, content: bytes) -> None:
    """Write a new file with mode 0600. Raises OSError; FileExistsError if there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def export_iso(snapshot: Snapshot, name: str, identity: MachineIdentity | None, out: Path) -> None:
    """Write an entry's image. Raises NoSuchEntry, SiteBroken and OSError."""
    write_private(out, metal_iso(finish(snapshot, name, identity).config))


def export_folder(snapshot: Snapshot, out: Path) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """Write every configuration that does not depend on the machine, as ``NAME.yaml``. Raises OSError.

    Returns the names of those written, and those left out, each with the reason.
    """
    out.mkdir(mode=0o700, parents=True)
    written, left = [], []
    for name, entry in snapshot.entries.items():
        try:
            made = finish(snapshot, name, None)
        except SiteBroken as broken:
            left.append((name, str(broken)))
            continue
        if made.uses_machine and entry.has_pattern:
            left.append((name, "each of its machines gets a different one: export one at a time with --uuid or --mac"))
            continue
        suffix = "" if name.endswith((".yaml", ".yml", ".json")) else _SUFFIXES.get(entry.schema.content_type, ".yaml")
        write_private(out / f"{name}{suffix}", made.config)
        written.append(name)
    return written, left

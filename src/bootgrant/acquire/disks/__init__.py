"""A configuration that is already on this machine: on a labelled medium (``talos.config=metal-iso``) or in a file.

Media are parsed here instead of mounted: that needs neither root nor modules of the kernel, and keeps a hostile medium
away from it. Sources: Talos ``platform/metal/metal.go`` (readConfigFromISO), ``pkg/download/download.go`` (file:).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bootgrant.acquire.disks.ext import open_ext
from bootgrant.acquire.disks.fat import open_fat
from bootgrant.acquire.disks.image import DiskError, Filesystem, Image
from bootgrant.acquire.disks.iso9660 import open_iso9660
from bootgrant.acquire.errors import BadConfig, BadParameter, DownloadFailed, reason_of
from bootgrant.acquire.facts.network import Events, Topic
from bootgrant.wire.go_url import UrlError, parse_url
from bootgrant.wire.limits import CONFIG

_LABEL: Final = "metal-iso"
_FILE: Final = "config.yaml"
_BLOCK: Final = Path("sys/class/block")
# No medium with a configuration is on these, and opening a floppy drive takes seconds.
_NEVER: Final = ("ram", "zram", "fd", "dm-", "md", "nbd")
_POLL_SECONDS: Final = 5.0
"""How often to look for media if the kernel's events cannot be received."""


def read_metal_iso(root: Path, deadline: float, limit: int = CONFIG) -> tuple[bytes, str]:
    """Read ``config.yaml`` from the medium labelled ``metal-iso``; return its content and the device.

    Waits for it until ``deadline`` (``time.monotonic``): a USB stick appears late. Raises DownloadFailed, BadConfig.
    """
    with Events(Topic.DEVICES) as events:
        while True:
            try:
                found = read_labelled(root, _LABEL, _FILE, limit)
            except DiskError as error:
                what = f"the medium labelled {_LABEL} cannot be used: {error}"
                raise BadConfig(what, "write the medium again") from error
            if found is not None:
                return found
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise DownloadFailed(
                    f"no medium labelled {_LABEL} with a file {_FILE} (ISO 9660, FAT or ext) on this machine",
                    f"insert it, or create one: xorriso -as mkisofs -V {_LABEL} -J -R -o config.iso {_FILE}",
                )
            events.wait(min(remaining, _POLL_SECONDS))


def read_file_url(url: str, limit: int = CONFIG) -> bytes:
    """Read the file of a ``file:///path`` URL. A query is ignored, as in Talos.

    Raises BadParameter (no local path), DownloadFailed (unreadable), BadConfig (more than ``limit`` bytes).
    """
    try:
        parsed = parse_url(url)
    except UrlError as error:
        raise BadParameter(str(error), "correct talos.config") from error
    if parsed.host not in {"", "localhost"} or not parsed.path.startswith("/") or "\0" in parsed.path:
        raise BadParameter(f"talos.config={url} names no file on this machine", "write file:///path/to/config.yaml")
    try:
        with Path(parsed.path).open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        what = f"cannot read {parsed.path}: {reason_of(error)}"
        raise DownloadFailed(what, "check the path in talos.config") from error
    if len(content) > limit:
        raise BadConfig(f"{parsed.path} holds more than {limit} bytes", "check that this is the right content")
    return content


def read_labelled(root: Path, label: str, name: str, limit: int) -> tuple[bytes, str] | None:
    """Read the file ``name`` in the root folder of the filesystem ``label`` (case ignored); return it and its device.

    Returns None if no medium has that label and that file. A medium that cannot be read is skipped, but one with the
    right label that is broken, or whose file has more than ``limit`` bytes, raises DiskError.
    """
    for device in _devices(root):
        try:
            descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            filesystem = _recognise(Image(descriptor))
            if filesystem is not None and label.casefold() in map(str.casefold, filesystem.labels):
                content = filesystem.read(name, limit)
                if content is not None:
                    return content, str(device)
        finally:
            os.close(descriptor)
    return None


def _recognise(image: Image) -> Filesystem | None:
    for open_filesystem in (open_iso9660, open_ext, open_fat):
        try:
            found = open_filesystem(image)
        except DiskError:
            continue
        if found is not None:
            return found
    return None


def _devices(root: Path) -> Iterator[Path]:
    try:
        names = sorted(entry.name for entry in (root / _BLOCK).iterdir())
    except OSError:
        return
    for name in names:
        if not name.startswith(_NEVER) and _has_medium(root / _BLOCK / name):
            yield root / "dev" / name.replace("!", "/")


def _has_medium(block: Path) -> bool:
    try:
        return (block / "size").read_text(encoding="ascii").strip() != "0"
    except (OSError, ValueError):
        return False

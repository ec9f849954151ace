"""UUID and serial number from SMBIOS (DMI) as the kernel shows them, and the serial of boards with a device tree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bootgrant.acquire.facts.fact import Absent, Fact, read_small
from bootgrant.wire.identity import canonical_serial, canonical_uuid

_DMI = Path("sys/class/dmi/id")
_DEVICE_TREE_SERIAL = Path("sys/firmware/devicetree/base/serial-number")


def read_uuid(root: Path, *, junk_counts: bool) -> Fact | Absent:
    """The system UUID, lower case. ``junk_counts`` takes values that identify no machine, as Talos does."""
    return _read("uuid", root / _DMI / "product_uuid", str.lower if junk_counts else canonical_uuid)


def read_serial(root: Path, *, junk_counts: bool) -> Fact | Absent:
    """The system serial number; where there is no SMBIOS, the serial number in the device tree."""
    path = root / _DMI / "product_serial"
    if not path.exists() and (root / _DEVICE_TREE_SERIAL).exists():
        path = root / _DEVICE_TREE_SERIAL
    return _read("serial", path, str if junk_counts else canonical_serial)


def _read(name: str, path: Path, meaning: Callable[[str], str]) -> Fact | Absent:
    try:
        text = read_small(path)
    except PermissionError:
        return Absent(name, f"{path} can only be read by root")
    except OSError as error:
        return Absent(name, f"cannot read {path}: {error.strerror or error}")
    if not text:
        return Absent(name, f"{path} is empty")
    value = meaning(text)
    return Fact(name, value, str(path)) if value else Absent(name, f"{path} says {text!r}, which names no machine")

"""Fake machines: the files of /sys, /proc and /etc that ``bootgrant.acquire.facts`` reads."""

from __future__ import annotations

from pathlib import Path


class FakeMachine:
    """A root folder that looks like a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, relative: str, text: str | bytes) -> FakeMachine:
        """Write a file below the root."""
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self

    def firmware(self, *, uuid: str | bytes | None = None, serial: str | bytes | None = None) -> FakeMachine:
        """Add SMBIOS values, with the newline that sysfs adds."""
        for name, value in (("product_uuid", uuid), ("product_serial", serial)):
            if value is not None:
                content = value if isinstance(value, bytes) else value.encode()
                self.file(f"sys/class/dmi/id/{name}", content + b"\n")
        return self

    def link(self, name: str, address: str, *, physical: bool = True, kind: int = 1, devtype: str = "") -> FakeMachine:
        """Add a network link; a physical one has a device."""
        folder = f"sys/class/net/{name}"
        self.file(f"{folder}/address", f"{address}\n").file(f"{folder}/type", f"{kind}\n")
        self.file(f"{folder}/uevent", f"DEVTYPE={devtype}\nINTERFACE={name}\n" if devtype else f"INTERFACE={name}\n")
        if physical:
            (self.root / folder / "device").mkdir(exist_ok=True)
        return self

    def disk(self, name: str, content: bytes) -> FakeMachine:
        """Add a block device with this content."""
        self.file(f"sys/class/block/{name}/size", f"{len(content) // 512}\n")
        return self.file(f"dev/{name}", content)

"""``machine.install``: which disk Talos is installed on, and how."""

from __future__ import annotations

from typing import Any, Final

from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import at

_DISK_TYPES: Final = frozenset({"", "ssd", "hdd", "nvme", "sd"})
_INSTALL: Final = "machine.install"


def is_required(value: dict[str, Any], report: Report) -> None:
    """Up to Talos 1.13, a metal machine needs a place to install to."""
    if "install" not in value["machine"]:
        report.refuse(_INSTALL, f"is missing: Talos {report.release} needs machine.install with disk or diskSelector")


def disk(value: dict[str, Any], report: Report) -> None:
    install = at(value, _INSTALL)
    if install is None:
        return
    selector = install.get("diskSelector")
    is_selected = selector is not None and _selects_disk(selector, report)
    if is_selected:
        report.unchecked.append("whether machine.install.diskSelector matches a disk of the machine")
    elif not install.get("disk"):
        report.refuse(_INSTALL, "neither disk nor a valid diskSelector says where to install: add one of them")


def _selects_disk(selector: dict[str, Any], report: Report) -> bool:
    """Whether Talos can make an expression of a selector. Says why it cannot."""
    faults = []
    if selector.get("name"):
        faults.append(("name", "Talos cannot select a disk by its name: use model, serial, wwid or size"))
    if selector.get("type", "") not in _DISK_TYPES:
        faults.append(("type", "must be ssd, hdd, nvme or sd"))
    for key, message in faults:
        report.refuse(f"{_INSTALL}.diskSelector.{key}", message)
    return not faults


def kernel_arguments(value: dict[str, Any], report: Report) -> None:
    install = at(value, _INSTALL) or {}
    if install.get("extraKernelArgs") and install.get("grubUseUKICmdline"):
        message = "no effect with grubUseUKICmdline: true, and Talos refuses the two together: remove one"
        report.refuse(f"{_INSTALL}.extraKernelArgs", message)


def extensions(value: dict[str, Any], report: Report) -> None:
    found = at(value, f"{_INSTALL}.extensions") or []
    seen = set()
    for index, extension in enumerate(found):
        image = extension.get("image", "")
        if image in seen:
            report.refuse(f"{_INSTALL}.extensions[{index}].image", "the same image is listed twice: keep one of them")
        seen.add(image)
    if found:
        report.warn(f"{_INSTALL}.extensions", "is deprecated: add the extensions in the Image Factory")

"""Containers that Talos runs itself, without Kubernetes."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Final

from bootgrant.machines.talos.validation.documents.image_names import is_image, is_pinned
from bootgrant.machines.talos.validation.documents.rules import (
    Rule,
    Section,
    check,
    first,
    form,
    forms_of,
    if_present,
    inside,
    length,
    not_negative,
    one_of,
    required,
)
from bootgrant.machines.talos.validation.forms import is_byte_size
from bootgrant.machines.talos.validation.report import Check

_NAME: Final = re.compile(r"[a-z0-9-]+")
_MILLICORES: Final = re.compile(r"0*([1-9][0-9]{0,19})m")
_CAPABILITY: Final = frozenset(string.ascii_uppercase + "_")
_SOURCES: Final = ("userVolume", "tmpfs", "hostPath")
_OPTIONS: Final = ("ro", "rw", "noexec", "nosuid", "nodev", "noatime", "rbind", "rshared")
_CONDITIONS: Final = ("addresses", "connectivity", "hostname", "etcfiles")
_NOT_ABSOLUTE: Final = "must be a path that begins with /"


def _is_absolute(path: str) -> bool:
    return path.startswith("/")


def _pinned(section: Section) -> None:
    image = section.text("image")
    if is_image(image) and not is_pinned(image):
        section.warn("image", "has no digest: the image may be another one after a restart")


def _mounts(section: Section) -> None:
    """Each mount has one source; a destination is used once, as text, by the mounts without a fault."""
    seen: set[str] = set()
    for mount in section.elements("mounts"):
        sources = [name for name in _SOURCES if mount.has(name)]
        if len(sources) != 1:
            mount.refuse("", f"must have one of {', '.join(_SOURCES)}")
            continue
        [source] = sources
        inner = mount.inner(source)
        if not _is_mount(inner, source):
            continue
        if inner.text("destination") in seen:
            inner.refuse("destination", "is the same as that of an earlier mount")
        seen.add(inner.text("destination"))


def _is_mount(mount: Section, source: str) -> bool:
    """Report the faults of a mount; return whether there were none."""
    before = len(mount.report.objections)
    if source == "userVolume" and not mount.text("name"):
        mount.refuse("name", "must be set")
    for name in ("source", "destination") if source == "hostPath" else ("destination",):
        if not _is_absolute(mount.text(name)):
            mount.refuse(name, _NOT_ABSOLUTE)
    options = mount.items("options")
    for index, option in enumerate(options):
        if option not in _OPTIONS:
            mount.refuse(f"options[{index}]", f"must be one of {', '.join(_OPTIONS)}")
    if "ro" in options and "rw" in options:
        mount.refuse("options", "must not have ro and rw")
    return len(mount.report.objections) == before


def _capabilities(section: Section) -> None:
    added, dropped = section.items("add"), section.items("drop")
    for index, capability in enumerate(added):
        if capability == "ALL":
            section.refuse(f"add[{index}]", "must not be ALL: use profile: privileged")
        elif not _is_capability(capability):
            section.refuse(f"add[{index}]", "must be the name of a capability without CAP_, such as NET_ADMIN")
        if capability in dropped:
            section.refuse(f"add[{index}]", "is in drop, too")
    for index, capability in enumerate(dropped):
        if capability != "ALL" and not _is_capability(capability):
            section.refuse(f"drop[{index}]", "must be the name of a capability without CAP_, such as NET_ADMIN")


def _is_capability(text: str) -> bool:
    return bool(text) and not text.startswith("CAP_") and _CAPABILITY.issuperset(text)


def _is_millicores(text: str) -> bool:
    match = _MILLICORES.fullmatch(text)
    return match is not None and int(match[1]) < 2**64


def _dependencies(section: Section) -> None:
    depends = section.inner("dependsOn")
    for index, name in enumerate(depends.items("containers")):
        if not name:
            depends.refuse(f"containers[{index}]", "must be the name of a container")
        elif name == section.text("name"):
            depends.refuse(f"containers[{index}]", "must be another container")


_limits: Final[tuple[Rule, ...]] = (
    form("memory", is_byte_size, "must be a size such as 512MiB"),
    form("cpu", _is_millicores, "must be thousandths of a processor, such as 1500m"),
)

CHECKS: Final[Mapping[str, Check]] = {
    "ContainerConfig": check(
        first(
            required("name"),
            length("name", 63),
            form("name", lambda text: _NAME.fullmatch(text) is not None, "may only contain a to z, digits and -"),
        ),
        required("image"),
        form("image", is_image, "is not the name of an image"),
        _pinned,
        forms_of("environment", lambda text: "=" in text, "must have the form NAME=value"),
        _mounts,
        inside(
            "security",
            one_of("profile", ("", "restricted", "privileged")),
            inside("capabilities", _capabilities),
        ),
        inside("network", one_of("mode", ("", "none", "host"))),
        inside("resources", inside("limits", *_limits)),
        inside(
            "dependsOn",
            forms_of("paths", _is_absolute, _NOT_ABSOLUTE),
            forms_of("networks", lambda text: text in _CONDITIONS, f"must be one of {', '.join(_CONDITIONS)}"),
        ),
        _dependencies,
        if_present("runAs", not_negative("uid", "gid")),
    ),
}

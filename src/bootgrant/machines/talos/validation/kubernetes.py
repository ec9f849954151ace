"""Versions of Kubernetes that a Talos release takes, which a machine checks when it boots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from bootgrant.machines.talos.documents import Document
from bootgrant.machines.talos.tables import LEGACY
from bootgrant.machines.talos.validation.documents.rules import release_number
from bootgrant.machines.talos.validation.legacy.roles import Role, role_of
from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import at
from bootgrant.wire.go_text import trim_space

Version: TypeAlias = tuple[int, int, int]

_OLDEST_MINOR: Final = 18
"""Talos 1.N takes Kubernetes 1.(N+18) and newer (``pkg/machinery/compatibility``) …"""
_NEWEST_MINOR: Final = 23
"""… up to 1.(N+23), whose patch versions from 99 count as the next one."""
_END_PATCH: Final = 99
_LARGEST: Final = 2**64
_DIGITS: Final = frozenset("0123456789")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]*")
_IDENTIFIER: Final = re.compile(r"[0-9A-Za-z-]+")
_OLDEST_RELEASE: Final = 11
"""The minor version of the oldest Talos whose rules are known."""

_LEGACY_IMAGES: Final = ("cluster.apiServer.image", "cluster.controllerManager.image", "cluster.scheduler.image")
_IMAGE_KINDS: Final = frozenset(
    f"{name}Config" for name in ("Kubelet", "KubeAPIServer", "KubeControllerManager", "KubeScheduler", "KubeProxy")
)


def check_images(documents: Sequence[Document], report: Report, *, is_assumed: bool) -> None:
    """Check the images of Kubernetes. ``is_assumed``: the site did not say which Talos release it has.

    Then a version that another release would take is a warning.
    """
    for document, path, image in _images(documents):
        report.document = document
        version = version_of(image)
        if version is None:
            message = (
                "no Talos release can read a version in it: end it with a tag such as :v1.33.1 (a digest may follow)"
            )
            report.refuse(path, message)
        elif not _is_taken(version, report.release):
            _refuse_version(path, version, report, is_assumed=is_assumed)


def _refuse_version(path: str, version: Version, report: Report, *, is_assumed: bool) -> None:
    shown = ".".join(map(str, version))
    minor = release_number(report.release)[1]
    taken = (
        f"Talos {report.release} takes Kubernetes 1.{minor + _OLDEST_MINOR} to 1.{minor + _NEWEST_MINOR}, not {shown}"
    )
    if is_assumed and version >= (1, minor + _OLDEST_MINOR, 0):
        report.warn(path, f"{taken}: write another version, unless the machines run a newer Talos")
    elif is_assumed and version >= (1, _OLDEST_RELEASE + _OLDEST_MINOR, 0):
        older = f'talos: "1.{version[1] - _OLDEST_MINOR}"'
        report.warn(path, f"{taken}: write another version, or which Talos the machines run ({older})")
    else:
        report.refuse(path, f"{taken}: write another version")


def _is_taken(version: Version, release: str) -> bool:
    minor = release_number(release)[1]
    return (1, minor + _OLDEST_MINOR, 0) <= version < (1, minor + _NEWEST_MINOR, _END_PATCH)


def version_of(image: str) -> Version | None:
    """Return the version in the tag of an image; None if Talos finds none (``KubernetesVersionFromImageRef``)."""
    _, mark, tag = image.rpartition(":v")
    return _parsed(tag.partition("@")[0]) if mark else None


def _parsed(text: str) -> Version | None:
    """``semver.ParseTolerant``: ``1.33`` is 1.33.0, leading zeros and one ``v`` are dropped."""
    parts = [_unpadded(part) for part in trim_space(text).removeprefix("v").split(".", 2)]
    if len(parts) < 3 and ("+" in parts[-1] or "-" in parts[-1]):
        return None
    major, minor, rest = (*parts, "0", "0")[:3]
    rest, plus, build = rest.partition("+")
    patch, minus, before = rest.partition("-")
    numbers = [int(part) for part in (major, minor, patch) if _NUMBER.fullmatch(part) and len(part) <= 20]
    if len(numbers) < 3 or max(numbers) >= _LARGEST:
        return None
    if (plus and not _are_identifiers(build)) or (minus and not _are_identifiers(before, numeric=True)):
        return None
    return numbers[0], numbers[1], numbers[2]


def _unpadded(part: str) -> str:
    """Drop leading zeros; one stays if no digit follows."""
    bare = part.lstrip("0") if len(part) > 1 else part
    return bare if bare[:1] in _DIGITS or len(part) < 2 else f"0{bare}"


def _are_identifiers(text: str, *, numeric: bool = False) -> bool:
    """Whether the parts between dots are identifiers; as a pre-release, numbers have no leading zeros."""
    return all(
        _IDENTIFIER.fullmatch(part) and not (numeric and part.isdigit() and not _NUMBER.fullmatch(part))
        for part in text.split(".")
    )


def _images(documents: Sequence[Document]) -> Iterator[tuple[Document, str, str]]:
    """Yield each image of Kubernetes that is given: its document, its path, and its text."""
    for document in documents:
        value: dict[str, Any] = document.value
        paths: Sequence[str] = ()
        if document.kind.name == LEGACY:
            is_control_plane = role_of(value) is Role.CONTROL_PLANE
            paths = ("machine.kubelet.image", *(_LEGACY_IMAGES if is_control_plane and "machine" in value else ()))
        elif document.kind.name in _IMAGE_KINDS and value.get("enabled") is not False:
            paths = ("image",)
        yield from ((document, path, image) for path in paths if (image := at(value, path)))

"""Volumes: system volumes, those of users, raw ones, swap, existing and external ones; trim, scrub and zswap."""

from __future__ import annotations

import string
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from bootgrant.machines.talos.validation.documents.expressions import expression
from bootgrant.machines.talos.validation.documents.rules import (
    SECOND,
    Rule,
    Section,
    before,
    between,
    characters,
    check,
    first,
    if_present,
    inside,
    length,
    not_negative,
    one_of,
    required,
    since,
    together,
    zero_or_at_least,
)
from bootgrant.machines.talos.validation.documents.sizes import is_negative, largest, largest_text, smallest
from bootgrant.machines.talos.validation.report import Check

LETTERS: Final = frozenset(string.ascii_letters + string.digits + "-")
_LONGEST_NAME: Final = 34
"""A label of a partition has 36 characters, two of which are a prefix of Talos's."""
_SHORTEST_SCRUB: Final = 10 * SECOND
_LAST_PCR: Final = 23
_PROVISIONING: Final = ("diskSelector", "grow", "minSize", "maxSize")
_SYSTEM_VOLUMES: Final = ("STATE", "EPHEMERAL", "IMAGECACHE")
_KEY_KINDS: Final = ("static", "nodeID", "kms", "tpm")
_PROMOTABLE: Final = ("ETCD", "CRI", "KUBELET", "LOG")
"""Volumes that are folders unless they are provisioned."""


class VolumeType(IntEnum):
    """The types that a user volume may have."""

    PARTITION = 0
    DISK = 1
    DIRECTORY = 3


class Filesystem(IntEnum):
    """The filesystems that volumes of Talos may have."""

    NONE = 0
    XFS = 1
    EXT4 = 3
    VIRTIOFS = 6
    BTRFS = 7


class Encryption(IntEnum):
    """The providers of encryption."""

    NONE = 0
    LUKS2 = 1


_one_name = first(required("name"), length("name", _LONGEST_NAME))
_letters = characters("name", LETTERS, "letters, digits and -")


def _is_provisioned(section: Section) -> bool:
    """Whether a field of ``provisioning`` is set; ``grow: false`` is."""
    provisioning = section.inner("provisioning")
    return (
        bool(provisioning.inner("diskSelector").text("match"))
        or provisioning.has("grow")
        or bool(provisioning.text("minSize") or largest_text(provisioning))
    )


def _is_encrypted(section: Section) -> bool:
    encryption = section.inner("encryption")
    return encryption.number("provider") != Encryption.NONE or bool(encryption.items("keys"))


def _order_of_sizes(provisioning: Section) -> None:
    low, high = smallest(provisioning), largest(provisioning)
    if low is not None and high is not None and not is_negative(largest_text(provisioning)) and low > high:
        provisioning.refuse("minSize", "must not be greater than maxSize")


def _some_size(provisioning: Section) -> None:
    if not provisioning.text("minSize") and not largest_text(provisioning):
        provisioning.refuse("", "must have minSize or maxSize")


def _min_size_not_negative(provisioning: Section) -> None:
    if is_negative(provisioning.text("minSize")):
        provisioning.refuse("minSize", "must not be negative")


def _no_sizes(provisioning: Section) -> None:
    for name, is_set in (
        ("minSize", bool(provisioning.text("minSize"))),
        ("maxSize", bool(largest_text(provisioning))),
        ("grow", provisioning.has("grow")),
    ):
        if is_set:
            provisioning.refuse(name, "is not possible for a volume that is a whole disk")


def _no_negative_sizes(provisioning: Section) -> None:
    """Releases before 1.13 do not read negative sizes."""
    for name, text in (("minSize", provisioning.text("minSize")), ("maxSize", largest_text(provisioning))):
        is_zero_percentage = "%" in text and not text.strip("-0.%")
        if is_negative(text) and not is_zero_percentage:
            provisioning.refuse(name, "must not be negative: Talos has negative sizes since 1.13")


def provisioning(*, is_needed: bool, has_sizes: bool = True) -> Rule:
    """A disk, and sizes (``ProvisioningSpec.Validate``)."""
    disk = inside("diskSelector", expression("match", "disk", is_needed=is_needed))
    if not has_sizes:
        return inside("provisioning", disk, _no_sizes)
    needed = [_some_size] if is_needed else []
    return inside("provisioning", disk, _order_of_sizes, *needed, since("1.13", _min_size_not_negative))


def encryption(section: Section) -> None:
    """A provider, and keys in slots of their own (``EncryptionSpec.Validate``)."""
    if not _is_encrypted(section):
        return
    inner = section.inner("encryption")
    if inner.number("provider") != Encryption.LUKS2:
        inner.refuse("provider", "must be luks2")
    if not inner.items("keys"):
        inner.refuse("keys", "must be set")
    slots: set[int] = set()
    for key in inner.elements("keys"):
        if key.number("slot") in slots:
            key.refuse("slot", "is the same as that of an earlier key")
        slots.add(key.number("slot"))
        if not any(key.has(kind) for kind in _KEY_KINDS):
            key.refuse("", f"must have one of {', '.join(_KEY_KINDS)}")


def _registers(section: Section) -> None:
    """Registers of a TPM; an encryption that is not zero has keys or a provider."""
    for key in section.inner("encryption").elements("keys"):
        options = key.inner("tpm").inner("options")
        for index, register in enumerate(options.items("pcrs")):
            if not 0 <= register <= _LAST_PCR:
                options.refuse(f"pcrs[{index}]", f"must be a number from 0 to {_LAST_PCR}")


_encryption: Final = (encryption, since("1.12", _registers))


def _filesystem(section: Section) -> None:
    """A type, and options of xfs (``FilesystemSpec.Validate``); the first fault counts."""
    inner = section.inner("filesystem")
    chosen = inner.number("type")
    if chosen not in (Filesystem.NONE, Filesystem.XFS, Filesystem.EXT4, Filesystem.BTRFS):
        inner.refuse("type", "must be xfs, ext4 or btrfs")
    elif chosen not in (Filesystem.NONE, Filesystem.XFS):
        if inner.is_true("projectQuotaSupport"):
            inner.refuse("projectQuotaSupport", "is only possible with type xfs")
        elif inner.has("xfs"):
            inner.refuse("xfs", "is only possible with type xfs")


_upkeep: Final = (
    if_present("trim", not_negative("interval")),
    if_present("scrub", zero_or_at_least("interval", _SHORTEST_SCRUB)),
)


def _state(section: Section) -> None:
    if section.text("name") != "STATE":
        return
    if _is_provisioned(section):
        section.refuse("provisioning", "is not possible for the volume STATE")
    for key in section.inner("encryption").elements("keys"):
        if key.is_true("lockToState"):
            key.refuse("lockToState", "is not possible for the volume STATE")


def _system_mount(section: Section) -> None:
    """Mount options, and the filesystem of the image cache (``validateVolumeConstraints``)."""
    name = section.text("name")
    has_mount = not section.inner("mount").is_empty
    if has_mount and name in ("STATE", "IMAGECACHE"):
        section.refuse("mount", f"is not possible for the volume {name}")
    if has_mount and name in _PROMOTABLE and not _is_provisioned(section):
        section.refuse("mount", "is only possible with provisioning")
    if name == "IMAGECACHE" and section.inner("filesystem").has("xfs"):
        section.refuse("filesystem", "is not possible for the volume IMAGECACHE")


def _directory(section: Section) -> None:
    filesystem = section.inner("filesystem")
    is_formatted = filesystem.number("type") or filesystem.has("projectQuotaSupport") or filesystem.has("xfs")
    for name, is_set in (
        ("provisioning", _is_provisioned(section)),
        ("encryption", _is_encrypted(section)),
        ("filesystem", is_formatted),
    ):
        if is_set:
            section.refuse(name, "is not possible for a volume that is a directory")


def _directory_mount(section: Section) -> None:
    if section.inner("mount").has("disableAccessTime"):
        section.refuse("mount.disableAccessTime", "is not possible for a volume that is a directory")


def _directory_without_mount(section: Section) -> None:
    if not section.inner("mount").is_empty:
        section.refuse("mount", "is not possible for a volume that is a directory")


def _other_type(section: Section) -> None:
    section.refuse("volumeType", "must be partition, disk or directory")


_VOLUME_TYPES: Final[Mapping[int, tuple[Rule, ...]]] = {
    VolumeType.PARTITION: (provisioning(is_needed=True), _filesystem, *_encryption),
    VolumeType.DISK: (provisioning(is_needed=True, has_sizes=False), _filesystem, *_encryption),
    VolumeType.DIRECTORY: (
        _directory,
        since("1.14", _directory_mount),
        since("1.13", before("1.14", _directory_without_mount)),
    ),
}


def _by_type(section: Section) -> None:
    for rule in _VOLUME_TYPES.get(section.number("volumeType"), (_other_type,)):
        rule(section)


def _virtiofs(section: Section) -> None:
    if section.number("filesystemType") != Filesystem.VIRTIOFS:
        section.refuse("filesystemType", "must be virtiofs")
    elif not section.inner("mount").inner("virtiofs").text("tag"):
        section.refuse("mount.virtiofs.tag", "must be set")


_old_sizes = before("1.13", inside("provisioning", _no_negative_sizes))
_selector = expression("match", "volume", is_needed=True)

CHECKS: Final[Mapping[str, Check]] = {
    "VolumeConfig": check(
        first(
            before("1.14", one_of("name", _SYSTEM_VOLUMES)),
            since("1.14", one_of("name", (*_SYSTEM_VOLUMES, *_PROMOTABLE))),
            together(
                _state,
                since("1.14", _system_mount),
                provisioning(is_needed=False),
                _old_sizes,
                *_encryption,
                *_upkeep,
            ),
        )
    ),
    "UserVolumeConfig": check(_one_name, _letters, _by_type, _old_sizes, *_upkeep),
    "RawVolumeConfig": check(_one_name, _letters, provisioning(is_needed=True), _old_sizes, *_encryption),
    "SwapVolumeConfig": check(_one_name, _letters, provisioning(is_needed=True), _old_sizes, *_encryption),
    "ExistingVolumeConfig": check(
        required("name"), _letters, inside("discovery", inside("volumeSelector", _selector)), *_upkeep
    ),
    "ExternalVolumeConfig": check(_one_name, _letters, _virtiofs),
    "FilesystemTrimConfig": check(not_negative("interval")),
    "FilesystemScrubConfig": check(zero_or_at_least("interval", _SHORTEST_SCRUB)),
    "ZswapConfig": check(between("maxPoolPercent", 0, 100)),
}

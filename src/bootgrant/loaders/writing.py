"""The same parameters written for each boot loader, with its own quoting.

Sources: GRUB manual "Quoting" and grub-core/lib/cmdline.c; iPXE's ``expand_settings``; the Boot Loader Specification
and systemd-stub(7); the Image Factory's schematics.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

import yaml

from bootgrant.acquire.cmdline.settings import CONFIG
from bootgrant.acquire.facts import VARIABLES
from bootgrant.loaders.urls import CannotWrite

_PLAIN_IN_GRUB: Final = re.compile(r"[A-Za-z0-9_./:=,@+%-]+")
_VARIABLE: Final = re.compile(r"\$\{(" + "|".join(VARIABLES) + r")\}")


class Form(StrEnum):
    """What the parameters are written for."""

    LINE = "line"
    GRUB = "grub"
    IPXE = "ipxe"
    SYSTEMD_BOOT = "systemd-boot"
    SCHEMATIC = "schematic"


@dataclass(frozen=True, slots=True)
class BootFiles:
    """The kernel and the initramfs: paths, or URLs for iPXE."""

    kernel: str
    initrd: str


def write(form: Form, words: Sequence[str], files: BootFiles) -> str:
    """Return the whole text for ``form``, ending with a newline. Raises CannotWrite."""
    match form:
        case Form.LINE:
            return " ".join(words) + "\n"
        case Form.GRUB:
            return _grub(words, files)
        case Form.IPXE:
            return _ipxe(words, files)
        case Form.SYSTEMD_BOOT:
            return _systemd_boot(words, files)
        case Form.SCHEMATIC:
            return _schematic(words)
        case _:
            assert_never(form)


def _grub(words: Sequence[str], files: BootFiles) -> str:
    """Single quotes suffice: no parameter has one in it."""
    quoted = [word if _PLAIN_IN_GRUB.fullmatch(word) else f"'{word}'" for word in words]
    lines = [
        "# For grub.cfg or /etc/grub.d/40_custom. The quotes keep GRUB from replacing ${uuid} itself.",
        "menuentry 'Talos' {",
        f"    linux {_one_word(files.kernel)} " + " ".join(quoted),
        f"    initrd {_one_word(files.initrd)}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _ipxe(words: Sequence[str], files: BootFiles) -> str:
    """iPXE replaces every ``${…}``, repeatedly, and cannot quote it.

    Percent-encoded in a query it is not replaced, and the machine still finds its variable, because it decodes first.
    """
    written = [_encoded(word) if word.startswith(f"{CONFIG}=") else word for word in words]
    for word in written:
        if "${" in word:
            name = word.partition("=")[0]
            raise CannotWrite(f"iPXE would replace the ${{…}} in {name}: use a URL without it there")
    initrd = _one_word(files.initrd)
    lines = [
        "#!ipxe",
        "# %24%7B and %7D enclose a variable. Written as ${…}, iPXE would replace it before the machine does.",
        "imgfree",
        f"kernel {_one_word(files.kernel)} initrd={initrd.rpartition('/')[2]} " + " ".join(written),
        f"initrd {initrd}",
        "boot",
    ]
    return "\n".join(lines) + "\n"


def _encoded(word: str) -> str:
    head, mark, query = word.partition("?")
    return head + mark + _VARIABLE.sub(lambda match: f"%24%7B{match[1]}%7D", query)


def _systemd_boot(words: Sequence[str], files: BootFiles) -> str:
    """systemd-boot passes on the rest of the line unchanged."""
    lines = [
        "# For systemd-boot: loader/entries/talos.conf on the EFI system partition. Nothing needs quotes here.",
        "# A UKI (Talos images with systemd-boot, Secure Boot) has its command line inside: neither this file nor",
        "# install.extraKernelArgs of the machine configuration changes it. Build the image with the parameters:",
        "# a schematic (--as schematic), or `ukify build --cmdline=@FILE` with a file made by --as line.",
        "title Talos",
        f"linux {_one_word(files.kernel)}",
        f"initrd {_one_word(files.initrd)}",
        "options " + " ".join(words),
    ]
    return "\n".join(lines) + "\n"


def _schematic(words: Sequence[str]) -> str:
    content = {"customization": {"extraKernelArgs": list(words)}}
    return yaml.safe_dump(content, sort_keys=False, width=10**6)


def _one_word(place: str) -> str:
    if not place or re.search(r"[\s\"'\\$;|&<>{}]", place):
        raise CannotWrite(f"{place!r} is not a plain path or URL of a boot file: write one word without quotes")
    return place

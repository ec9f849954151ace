"""The same parameters for each way of booting, quoted as each of them reads.

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
from bootgrant.acquire.cmdline.url_template import VARIABLES
from bootgrant.loaders.parameters import CannotWrite

_PLAIN_IN_GRUB: Final = re.compile(r"[A-Za-z0-9_./:=,@+%-]+")
_VARIABLE: Final = re.compile(r"\$\{(" + "|".join(VARIABLES) + r")\}")


class Form(StrEnum):
    """Who reads the parameters."""

    LINE = "line"
    GRUB = "grub"
    IPXE = "ipxe"
    SYSTEMD_BOOT = "systemd-boot"
    SCHEMATIC = "schematic"


@dataclass(frozen=True, slots=True)
class BootFiles:
    """Where the boot loader finds the kernel and the initramfs: paths, or URLs for iPXE."""

    kernel: str
    initrd: str


def write(form: Form, words: Sequence[str], files: BootFiles) -> str:
    """The whole text for ``form``, ending with a newline. Raises CannotWrite for what it cannot express."""
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
    """Single quotes keep everything as it is; there is no single quote in a word."""
    quoted = [word if _PLAIN_IN_GRUB.fullmatch(word) else f"'{word}'" for word in words]
    lines = [
        "# For grub.cfg or /etc/grub.d/40_custom: the quotes keep GRUB from filling in ${uuid} itself.",
        "menuentry 'Talos' {",
        f"    linux {_one_word(files.kernel)} " + " ".join(quoted),
        f"    initrd {_one_word(files.initrd)}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _ipxe(words: Sequence[str], files: BootFiles) -> str:
    """iPXE fills in every ``${…}``, again and again, and has no way to quote it. Percent-encoded in a query value it is
    left alone, and the machine, which decodes before it looks, still takes it for its variable."""
    written = [_encoded(word) if word.startswith(f"{CONFIG}=") else word for word in words]
    for word in written:
        if "${" in word:
            raise CannotWrite(f"iPXE would replace the ${{…}} in {word.partition('=')[0]} by a setting of its own")
    initrd = _one_word(files.initrd)
    lines = [
        "#!ipxe",
        "# %24%7B and %7D are what stands around a variable: written plainly, iPXE would fill it in, not the machine.",
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
    """systemd-boot takes the rest of the line as it is."""
    lines = [
        "# For systemd-boot: loader/entries/talos.conf on the EFI system partition. Nothing is quoted here.",
        "# A UKI has its command line inside (Talos's own images with systemd-boot, Secure Boot): no file like this,",
        "# and no install.extraKernelArgs of the machine configuration, changes it. Build it with the parameters:",
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
        raise CannotWrite(f"{place!r} is no plain path or URL of a boot file: it must be one word without quotes")
    return place

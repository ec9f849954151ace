"""How a file of a machines folder is encrypted, judged by its content: age, SOPS, and the tools that are not supported.

Formats: age-encryption.org/v1 (C2SP age.md), its armor, and the five stores of SOPS (YAML, JSON, dotenv, ini, binary).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

_AGE: Final = b"age-encryption.org/v1"
_ARMOR: Final = b"-----BEGIN AGE ENCRYPTED FILE-----"
_STANZA: Final = re.compile(rb"(?m)^-> ([\x21-\x7e]+)")
_GREASE: Final = b"-grease"
_SOPS_YAML: Final = re.compile(rb"(?m)^sops:[ \t]*\r?$")
_SOPS_JSON: Final = re.compile(rb'(?m)^[^\S\n]*"sops"\s*:\s*\{|^\{.*"sops"\s*:\s*\{')
_SOPS_DOTENV: Final = re.compile(rb"(?m)^sops_mac=ENC\[")
_SOPS_INI: Final = re.compile(rb"(?m)^\[sops\][ \t]*\r?$")
_SOPS_SECTION: Final = re.compile(r"(?m)^[^\S\n]*(?:sops:|\[sops\]|sops_mac=|\"sops\"\s*:)|\{\s*\"sops\"\s*:")
_LEFT: Final = re.compile(r"(?m)^(?![ \t]*(?:#|//)).*?ENC\[AES256_GCM,")
_OTHERS: Final[Mapping[bytes, str]] = {
    b"\0GITCRYPT\0": "git-crypt",
    b"$ANSIBLE_VAULT;": "Ansible Vault",
    b"-----BEGIN PGP MESSAGE-----": "PGP",
}
_CHUNK: Final = 1 << 16


class Encryption(Enum):
    """The encryption of a file; for SOPS, the value is the name of its store (``--input-type``)."""

    NONE = ""
    AGE = "age"
    SOPS_YAML = "yaml"
    SOPS_JSON = "json"
    SOPS_DOTENV = "dotenv"
    SOPS_INI = "ini"
    SOPS_BINARY = "binary"

    @property
    def is_sops(self) -> bool:
        return self not in (Encryption.NONE, Encryption.AGE)


def encryption_of(path: str, raw: bytes) -> Encryption:
    """Return how a file is encrypted. ``path`` only decides between JSON and binary data of SOPS."""
    if raw.startswith(_AGE) or raw.lstrip().startswith(_ARMOR):
        return Encryption.AGE
    if b"ENC[" not in raw:
        return Encryption.NONE
    if _SOPS_DOTENV.search(raw):
        return Encryption.SOPS_DOTENV
    if _SOPS_INI.search(raw):
        return Encryption.SOPS_INI
    if raw.lstrip().startswith(b"{") and _SOPS_JSON.search(raw):
        is_binary = not path.endswith(".json") and _is_binary_store(raw)
        return Encryption.SOPS_BINARY if is_binary else Encryption.SOPS_JSON
    return Encryption.SOPS_YAML if _SOPS_YAML.search(raw) else Encryption.NONE


def _is_binary_store(raw: bytes) -> bool:
    """Whether it is SOPS's form of any other file: ``{"data": "ENC[…]", "sops": {…}}``."""
    try:
        root = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(root, dict) and set(root) == {"data", "sops"} and str(root["data"]).startswith("ENC[")


def foreign_encryption(raw: bytes) -> str:
    """Return the name of a tool whose encryption is not supported; empty if there is none."""
    start = raw[:64].lstrip()
    return next((tool for mark, tool in _OTHERS.items() if raw.startswith(mark) or start.startswith(mark)), "")


def ciphertext_line(text: str) -> int:
    """Return the line of the first value that SOPS encrypted, 0 if there is none. Comments do not count."""
    found = _LEFT.search(text) if "ENC[AES256_GCM," in text else None
    return text.count("\n", 0, found.end()) + 1 if found else 0


def is_whole_sops_file(text: str) -> bool:
    """Whether a text has SOPS's own section, and so is a complete file of SOPS, which its reader can decrypt."""
    return _SOPS_SECTION.search(text) is not None


def age_recipients(raw: bytes) -> tuple[str, ...]:
    """Return the types of recipients in the header of an age file (``X25519``, ``ssh-ed25519``, ``scrypt``), in order.

    Empty if the header cannot be read. Random stanzas, which age adds on purpose, are left out.
    """
    binary = raw if raw.startswith(_AGE) else _unarmored(raw)
    header = binary[:_CHUNK].partition(b"\n---")[0]
    found = (kind for kind in _STANZA.findall(header) if not kind.endswith(_GREASE))
    return tuple(dict.fromkeys(kind.decode("ascii") for kind in found))


def _unarmored(raw: bytes) -> bytes:
    lines = raw.strip().splitlines()
    text = b"".join(line.strip() for line in lines[1:] if not line.startswith(b"-----"))[:_CHUNK]
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except binascii.Error:
        return b""

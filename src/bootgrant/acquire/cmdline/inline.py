"""Configuration documents on the kernel command line: ``talos.config.inline`` and ``talos.config.early``.

Source: Talos ``controllers/config/acquire.go`` (stateCmdlineEarly precedes every request).
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from bootgrant.acquire.cmdline.settings import EARLY
from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.unpacking import NotPackedError, unpack_zstd
from bootgrant.wire.limits import CONFIG
from bootgrant.wire.secret import Secret

_DOCUMENTS: Final = re.compile(r"^---(?:\s.*)?$", re.MULTILINE)
_KIND: Final = re.compile(r"""^["']?kind["']?\s*:\s*["']?TrustedRootsConfig["']?\s*(?:#.*)?$""", re.MULTILINE)
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_LARGEST_ROOTS: Final = 1 << 20


def decode_inline(encoded: Secret, parameter: str, limit: int = CONFIG) -> bytes:
    """Decode the value of ``talos.config.inline`` or ``.early`` (``parameter`` names it): base64 of zstd.

    Raises BadParameter, or BadConfig if it holds more than ``limit`` bytes, with a text that shows none of the content.
    """
    how_to_write = f"write {parameter}=$(zstd --stdout config.yaml | base64 -w0)"
    try:
        packed = binascii.a2b_base64(encoded.reveal().encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise BadParameter(f"{parameter} is not base64", how_to_write) from error
    try:
        return unpack_zstd(packed, limit, parameter)
    except NotPackedError as error:
        raise BadParameter(f"{parameter} is not zstd: {error}", how_to_write) from error


def trusted_roots(encoded: Secret) -> str:
    """The certificates in the TrustedRootsConfig documents of ``talos.config.early`` as PEM, empty if there are none.

    They are found by their markers, because an initramfs often lacks a YAML parser. Raises BadParameter or BadConfig.
    """
    content = decode_inline(encoded, EARLY, _LARGEST_ROOTS)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadParameter(f"{EARLY} is not text", "create it with `bootgrant kernel-args --ca FILE`") from None
    documents = [part for part in _DOCUMENTS.split(text) if _KIND.search(part)]
    bodies = [body for part in documents for body in _CERTIFICATE.findall(_unquoted(part))]
    return "".join(_pem("".join(body.split())) for body in bodies)


def _unquoted(text: str) -> str:
    """Undo the escapes of a double-quoted YAML scalar: line ends as ``\\n``, and lines continued after a backslash."""
    return re.sub(r"\\\r?\n[ \t]*\\?", "", text).replace("\\n", "\n")


def _pem(body: str) -> str:
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"

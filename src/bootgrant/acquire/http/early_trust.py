"""The certificate authorities that ``talos.config.early`` brings: its TrustedRootsConfig documents.

Talos applies them before it asks anybody (``controllers/config/acquire.go``, stateCmdlineEarly). There is often nothing
here that reads YAML, so the certificates are found by their own marks, which no other text has.
"""

from __future__ import annotations

import re
from typing import Final

from bootgrant.acquire.cmdline.settings import EARLY
from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.sources import decode_inline
from bootgrant.wire.secret import Secret

_DOCUMENTS: Final = re.compile(r"^---(?:\s.*)?$", re.MULTILINE)
_KIND: Final = re.compile(r"""^["']?kind["']?\s*:\s*["']?TrustedRootsConfig["']?\s*(?:#.*)?$""", re.MULTILINE)
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_LARGEST: Final = 1 << 20


def trusted_roots(encoded: Secret) -> str:
    """The certificates as PEM; empty when there are none. Raises BadParameter and BadConfig for what cannot be read."""
    content = decode_inline(encoded, EARLY, _LARGEST)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadParameter(f"{EARLY} is not text", "make it with `bootgrant kernel-args --ca FILE`") from None
    documents = [part for part in _DOCUMENTS.split(text) if _KIND.search(part)]
    bodies = [body for part in documents for body in _CERTIFICATE.findall(_unquoted(part))]
    return "".join(_pem("".join(body.split())) for body in bodies)


def _unquoted(text: str) -> str:
    """A scalar in double quotes has its line ends written out, and may be continued behind a backslash."""
    return re.sub(r"\\\r?\n[ \t]*\\?", "", text).replace("\\n", "\n")


def _pem(body: str) -> str:
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"

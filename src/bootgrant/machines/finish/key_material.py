"""Recognise private keys in texts: PEM, age, SSH and PGP, also in base64, percent-encoding and gzip.

Nothing here repeats a key.
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import Final
from urllib.parse import unquote_to_bytes

PRIVATE_KEY: Final = re.compile(
    r"----[- ]BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?[- ]----|AGE-SECRET-KEY-(?:PQ-)?1|PuTTY-User-Key-File-\d"
)
MOST_UNPACKED: Final = 16 * 1024 * 1024
"""Bytes that are unpacked for one configuration."""
_IN_BASE64: Final = (b"UFJJVkFURSBLRVkt", b"BSSVZBVEUgS0VZL", b"QUklWQVRFIEtFWS")
"""``PRIVATE KEY-`` in base64, for each of the three places in a group where it may begin: whatever is before it."""
_IN_BYTES: Final = re.compile(PRIVATE_KEY.pattern.encode())
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{24,}(?:[ \t]*\r?\n[ \t]*[A-Za-z0-9+/_-]+)*")
_PERCENT: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
_SHORTEST: Final = 64
"""Characters of base64 that a private key has at least."""
_SHORTEST_MARK: Final = 16
"""Characters of ``AGE-SECRET-KEY-1``, the shortest thing that is recognised."""
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_GZIP: Final = b"\x1f\x8b"
_LAYERS: Final = 4


class KeySearch:
    """Looks for private keys in the texts of one configuration, four encodings deep.

    Beyond MOST_UNPACKED bytes of gzip, a compressed text counts as one with a key: what is in it is not known.
    """

    def __init__(self, most_unpacked: int = MOST_UNPACKED) -> None:
        self._left = most_unpacked

    def finds(self, text: str) -> bool:
        """Whether a private key is in a text."""
        if len(text) < _SHORTEST_MARK:
            return False
        if PRIVATE_KEY.search(text):
            return True
        return len(text) >= _SHORTEST and self.finds_in(text.encode("utf-8", "surrogatepass"))

    def finds_in(self, content: bytes) -> bool:
        """Whether a private key is in the content of a file."""
        return self._is_in(content, _LAYERS)

    def _is_in(self, content: bytes, layers: int) -> bool:
        first, second, third = _IN_BASE64
        if first in content or second in content or third in content or _IN_BYTES.search(content):
            return True
        if layers == 0:
            return False
        if b"\0" in content and _IN_BYTES.search(content.replace(b"\0", b"")):
            # UTF-16 has a zero next to each letter.
            return True
        if content.startswith(_GZIP):
            return self._is_in(self._unpacked(content), layers - 1) or self._left < 0
        if _PERCENT.search(content) and self._is_in(unquote_to_bytes(content), layers - 1):
            return True
        return any(self._is_in(_decoded(run[0]), layers - 1) for run in _BASE64.finditer(content))

    def _unpacked(self, content: bytes) -> bytes:
        """Return the content of a gzip file as far as it is intact and may be unpacked."""
        found: list[bytes] = []
        while content.startswith(_GZIP) and self._left >= 0:
            member = zlib.decompressobj(wbits=31)
            try:
                found.append(member.decompress(content, self._left + 1))
            except zlib.error:
                break
            self._left -= len(found[-1])
            content = member.unused_data
        return b"".join(found)


def _decoded(run: bytes) -> bytes:
    """Return what a run of base64 decodes to, nothing if it is too short to hold a key."""
    letters = b"".join(run.split()).translate(_URL_SAFE)
    if len(letters) < _SHORTEST:
        return b""
    # A single last letter holds no byte: such a run has swallowed a word behind the base64.
    whole = letters[: len(letters) - (len(letters) % 4 == 1)]
    return base64.b64decode(whole + b"=" * (-len(whole) % 4))

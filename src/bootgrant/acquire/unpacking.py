"""Compressed content, unpacked in bounded memory: gzip and zstd.

Python has zstd since 3.14 (``compression.zstd``); older versions need ``backports.zstd`` or the program ``zstd``.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final, cast

from bootgrant.acquire.errors import BadConfig, BadParameter

_GZIP: Final = b"\x1f\x8b\x08"
_CHUNK: Final = 1 << 16
_WINDOW_LOG: Final = 26
"""A zstd frame may request a window of any size; Talos's library allows 64 MiB."""


class NotPackedError(Exception):
    """The content is not in the expected format, or is truncated."""


class Gunzip:
    """Unpacks gzip (RFC 1952) piece by piece, with several members as one, up to one byte more than ``limit``."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._member = zlib.decompressobj(wbits=31)

    @property
    def is_complete(self) -> bool:
        """Whether the data so far end with a whole member."""
        return self._member.eof

    def feed(self, data: bytes) -> bytes:
        """Unpack ``data``. Raises NotPackedError."""
        parts: list[bytes] = []
        try:
            while data and self._left >= 0:
                if self._member.eof:
                    self._member = zlib.decompressobj(wbits=31)
                parts.append(self._member.decompress(data, self._left + 1))
                self._left -= len(parts[-1])
                data = self._member.unconsumed_tail or self._member.unused_data
        except zlib.error as error:
            raise NotPackedError(str(error)) from error
        return b"".join(parts)


def unpack_gzip(content: bytes, limit: int) -> bytes:
    """Unpack a configuration that is a gzip file; return anything else unchanged.

    Raises BadConfig if the file is broken or unpacks to more than ``limit`` bytes.
    """
    if not content.startswith(_GZIP):
        return content
    gunzip = Gunzip(limit)
    try:
        unpacked = gunzip.feed(content)
    except NotPackedError as error:
        raise _broken_gzip(str(error)) from error
    if len(unpacked) > limit:
        raise _too_large("the gzip file", limit)
    if not gunzip.is_complete:
        raise _broken_gzip("it is truncated")
    return unpacked


def _broken_gzip(reason: str) -> BadConfig:
    return BadConfig(f"the configuration is a broken gzip file: {reason}", "replace the file on the server")


def unpack_zstd(content: bytes, limit: int, what: str) -> bytes:
    """Unpack all frames of ``content``; ``what`` names it in errors.

    Raises NotPackedError, BadConfig for more than ``limit`` unpacked bytes, BadParameter if this machine has no zstd.
    """
    module = next(filter(None, map(_import, ("compression.zstd", "backports.zstd"))), None)
    frames = _zstd_program(content, limit) if module is None else _zstd_frames(content, module)
    return _bounded(frames, limit, what)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _zstd_frames(content: bytes, module: Any) -> Iterator[bytes]:
    """Unpack with ``compression.zstd`` or its backport, which have the same names."""
    parameters = {module.DecompressionParameter.window_log_max: _WINDOW_LOG}
    while content:
        frame = module.ZstdDecompressor(options=parameters)
        try:
            while not frame.eof:
                yield frame.decompress(content, _CHUNK)
                content = b""
                if frame.needs_input and not frame.eof:
                    raise NotPackedError("it is truncated")
        except module.ZstdError as error:
            raise NotPackedError(str(error)) from error
        content = frame.unused_data


def _zstd_program(content: bytes, limit: int) -> Iterator[bytes]:
    import shutil
    import subprocess
    import tempfile

    program = shutil.which("zstd")
    if program is None:
        next_step = "use Python 3.14, install backports.zstd, or install the program zstd"
        raise BadParameter("this machine cannot unpack zstd", next_step)
    with tempfile.TemporaryFile() as packed:
        packed.write(content)
        packed.seek(0)
        command = [program, "--decompress", "--stdout", "--quiet", f"--memory={1 << _WINDOW_LOG}"]
        with subprocess.Popen(command, stdin=packed, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            unpacked = cast("IO[bytes]", running.stdout).read(limit + 1)
            if len(unpacked) > limit:
                running.kill()
                yield unpacked
                return
            _, complaint = running.communicate()
        if running.returncode:
            raise NotPackedError(complaint.decode("utf-8", "replace").strip().rpartition(" : ")[2])
        yield unpacked


def _bounded(parts: Iterator[bytes], limit: int, what: str) -> bytes:
    content = bytearray()
    for part in parts:
        content += part
        if len(content) > limit:
            raise _too_large(what, limit)
    return bytes(content)


def _too_large(what: str, limit: int) -> BadConfig:
    return BadConfig(f"{what} holds more than {limit} bytes", "check that this is the right content")

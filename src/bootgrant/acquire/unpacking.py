"""Compressed configurations, unpacked in bounded memory: gzip files and zstd.

Python has zstd since 3.14 (``compression.zstd``); before that ``backports.zstd`` or the ``zstd`` program does it.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from typing import IO, Protocol, cast

from bootgrant.acquire.errors import BadConfig, BadParameter

_GZIP = b"\x1f\x8b\x08"
_CHUNK = 1 << 16
# A frame may ask its reader for a window of any size; 64 MiB is what Talos's library grants.
_WINDOW_LOG = 26


class NotPackedError(Exception):
    """The content is not packed as it should be, or was cut off."""


class _Decompressor(Protocol):
    """The common part of ``compression.zstd.ZstdDecompressor`` and its backport."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def unpack_gzip(content: bytes, limit: int) -> bytes:
    """A configuration that was served as a gzip file, unpacked; anything else as it is.

    Raises BadConfig when it is broken or unpacks to more than ``limit`` bytes.
    """
    if not content.startswith(_GZIP):
        return content
    try:
        return _bounded(_gunzip(content), limit, "the gzip file")
    except NotPackedError as error:
        raise BadConfig(f"the configuration is a broken gzip file: {error}", "pack it anew on the server") from error


def _gunzip(content: bytes) -> Iterator[bytes]:
    while content:
        member = zlib.decompressobj(wbits=31)
        try:
            at_end = False
            while not at_end:
                part = member.decompress(content, _CHUNK)
                content, at_end = member.unconsumed_tail, member.eof
                if not (part or content or at_end):
                    raise NotPackedError("it was cut off")
                yield part
        except zlib.error as error:
            raise NotPackedError(str(error)) from error
        content = member.unused_data


def unpack_zstd(content: bytes, limit: int, what: str) -> bytes:
    """All frames of ``content``; ``what`` names it in errors.

    Raises NotPackedError when it is not zstd, BadConfig when it unpacks to more than ``limit`` bytes, BadParameter when
    nothing here can unpack zstd.
    """
    module = next(filter(None, map(_import, ("compression.zstd", "backports.zstd"))), None)
    if module is None:
        return _bounded(_zstd_program(content, limit), limit, what)
    return _bounded(_zstd_frames(content, module), limit, what)


def _import(name: str) -> object | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _zstd_frames(content: bytes, module: object) -> Iterator[bytes]:
    parameters = {getattr(module, "DecompressionParameter").window_log_max: _WINDOW_LOG}  # noqa: B009
    broken: type[Exception] = getattr(module, "ZstdError")  # noqa: B009
    while content:
        frame = cast("_Decompressor", getattr(module, "ZstdDecompressor")(options=parameters))  # noqa: B009
        try:
            while not frame.eof:
                yield frame.decompress(content, _CHUNK)
                content = b""
                if frame.needs_input and not frame.eof:
                    raise NotPackedError("it was cut off")
        except broken as error:
            raise NotPackedError(str(error)) from error
        content = frame.unused_data


def _zstd_program(content: bytes, limit: int) -> Iterator[bytes]:
    import shutil
    import subprocess
    import tempfile

    program = shutil.which("zstd")
    if program is None:
        raise BadParameter(
            "nothing on this machine unpacks zstd", "use Python 3.14, install backports.zstd, or the program zstd"
        )
    with tempfile.TemporaryFile() as packed:
        packed.write(content)
        packed.seek(0)
        command = [program, "--decompress", "--stdout", "--quiet", f"--memory={1 << _WINDOW_LOG}"]
        # The program is named by its full path, and nothing in the command comes from outside.
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
            raise BadConfig(f"{what} holds more than {limit} bytes", "a configuration is smaller than that")
    return bytes(content)

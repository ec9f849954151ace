"""Messages between the server and its worker process, over a socket pair: a JSON object, and bytes that go with it.

A message is the length of the JSON text (4 bytes, most significant first), the text, and the bytes; ``blobs`` in the
text says how many of them there are. JSON because nothing in it can run code in the process that reads it: the worker
handles texts of people who may push configurations but must not get into the server.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

Message = Mapping[str, Any]
Blobs = Sequence[bytes]

_LENGTH: Final = struct.Struct(">I")
_CHUNK: Final = 1 << 20
_SMALL: Final = 1 << 16
NEVER: Final = float("inf")


class ChannelClosed(Exception):
    """The other process is gone, or sent something that is not a message."""


class Channel:
    """One end of the socket pair. ``most`` limits a received message, in bytes. One thread uses it at a time."""

    def __init__(self, end: socket.socket, most: int) -> None:
        self._end = end
        self._most = most

    def send(self, message: Message, blobs: Blobs = (), until: float = NEVER) -> None:
        """Send a message. Raises ChannelClosed, and TimeoutError at ``until`` (``time.monotonic``)."""
        text = json.dumps({**message, "blobs": [len(blob) for blob in blobs]}).encode("ascii")
        if sum(map(len, blobs)) <= _SMALL:
            self._write(b"".join((_LENGTH.pack(len(text)), text, *blobs)), until)
            return
        self._write(_LENGTH.pack(len(text)) + text, until)
        for blob in blobs:
            self._write(blob, until)

    def receive(self, until: float = NEVER) -> tuple[dict[str, Any], list[bytes]]:
        """Return the next message. Raises ChannelClosed, and TimeoutError at ``until`` (``time.monotonic``)."""
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, until))
        if length > self._most:
            raise ChannelClosed("a message that is too large")
        try:
            message = json.loads(self._read(length, until))
            lengths = [int(size) for size in message.pop("blobs")]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ChannelClosed("a message that cannot be read") from None
        if min(lengths, default=0) < 0 or length + sum(lengths) > self._most:
            raise ChannelClosed("a message that is too large")
        return message, [self._read(size, until) for size in lengths]

    def close(self) -> None:
        self._end.close()

    def _write(self, content: bytes, until: float) -> None:
        view = memoryview(content)
        try:
            while view:
                self._wait(until)
                view = view[self._end.send(view[:_CHUNK]) :]
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelClosed(str(error)) from None

    def _read(self, size: int, until: float) -> bytes:
        content = bytearray(size)
        view = memoryview(content)
        try:
            while view:
                self._wait(until)
                count = self._end.recv_into(view)
                if not count:
                    raise ChannelClosed("the other process ended")
                view = view[count:]
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelClosed(str(error)) from None
        return bytes(content)

    def _wait(self, until: float) -> None:
        if until == NEVER:
            self._end.settimeout(None)
            return
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._end.settimeout(left)

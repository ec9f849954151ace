"""The head of a request: its size, the length of the body that it announces, and the answers to an unreadable one."""

from __future__ import annotations

from typing import Final

from bootgrant.asgi.answer import CLOSE
from bootgrant.machine_plane.endpoint import oauth_error
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.limits import REQUEST_HEAD

LONG_HEAD: Final = oauth_error(
    ErrorCode.INVALID_REQUEST, f"the address and the headers are larger than {REQUEST_HEAD >> 10} KiB", 431, (CLOSE,)
)
UNREADABLE: Final = oauth_error(ErrorCode.INVALID_REQUEST, "this is not HTTP/1.1", 400, (CLOSE,))


class HeadTooLong(Exception):
    """Raised in a callback to stop the parser."""


def announced_body(headers: list[tuple[bytes, bytes]]) -> int:
    """Return the length of the body in the headers, 0 if there is none. The parser has checked that it is a number."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def size_of_head(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Return the approximate size of a head, for one that arrived together with a body."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)

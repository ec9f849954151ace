"""gzip for response bodies, if the client accepts it (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from typing import Final

from bootgrant.asgi import Scope

_LEVEL: Final = 6
_LARGE: Final = 8 * 1024
"""Bytes from which compressing takes longer than handing the work to a thread."""

_KEPT: Final = 16 * 1024 * 1024
"""Total bytes of compressed bodies in the cache."""


def asks_for_gzip(scope: Scope) -> bool:
    """Return whether the client prefers gzip, or likes it as much as an uncoded body. No header means no."""
    weights = _weights(scope)
    rest = weights.get("*", 0.0)
    offered = max(weights.get("gzip", 0.0), weights.get("x-gzip", 0.0))
    if {"gzip", "x-gzip"} & weights.keys():
        return offered > 0 and offered >= weights.get("identity", 0.0)
    # "*" leaves the choice to the server, which prefers an uncoded body unless the client ranks that lower.
    return rest > 0 and weights.get("identity", rest) < rest


def _weights(scope: Scope) -> dict[str, float]:
    """Return the codings of ``Accept-Encoding`` in lower case with their weights. An unreadable weight is 0."""
    fields = (value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-encoding")
    weights: dict[str, float] = {}
    for part in ",".join(fields).split(","):
        coding, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if coding:
            weights[coding] = _weight(parameters)
    return weights


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return _number(value.strip())
    return 1.0


def _number(text: str) -> float:
    try:
        number = float(text) if text.replace(".", "", 1).isdecimal() and text.isascii() else 0.0
    except ValueError:
        return 0.0
    return min(number, 1.0)


class Gzip:
    """Compresses bodies: large ones in a thread, with a cache by content."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._size = 0
        self._remembered: OrderedDict[bytes, bytes] = OrderedDict()

    async def compress(self, body: bytes) -> bytes:
        """Return ``body`` as gzip (RFC 1952) without a timestamp, so the same body always gives the same bytes."""
        if len(body) < _LARGE:
            return _compressed(body)
        digest = hashlib.sha256(body).digest()
        known = self._remembered.get(digest)
        if known is not None:
            self._remembered.move_to_end(digest)
            return known
        coded = await asyncio.to_thread(_compressed, body)
        self._remember(digest, coded)
        return coded

    def _remember(self, digest: bytes, coded: bytes) -> None:
        if digest in self._remembered or len(coded) > self._kept:
            return
        self._remembered[digest] = coded
        self._size += len(coded)
        while self._size > self._kept:
            _, oldest = self._remembered.popitem(last=False)
            self._size -= len(oldest)


def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)

"""gzip for a body, when its reader asks for it (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from typing import Final

from bootgrant.asgi.types import Scope

_LEVEL: Final = 6
_LARGE: Final = 8 * 1024
"""From this size in bytes on, compressing takes longer than handing it to a thread does."""

_KEPT: Final = 16 * 1024 * 1024
"""Bytes of compressed bodies that are kept in all."""


def asks_for_gzip(scope: Scope) -> bool:
    """Whether the reader wants gzip at least as much as the body itself; without the header it does not."""
    weights = _weights(scope)
    rest = weights.get("*", 0.0)
    offered = max(weights.get("gzip", 0.0), weights.get("x-gzip", 0.0))
    if {"gzip", "x-gzip"} & weights.keys():
        return offered > 0 and offered >= weights.get("identity", 0.0)
    # "*" means whatever the server likes, which is the body as it is, unless that is refused.
    return rest > 0 and weights.get("identity", rest) < rest


def _weights(scope: Scope) -> dict[str, float]:
    """The codings of ``Accept-Encoding`` in lower case, with their weights; what cannot be read weighs nothing."""
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
    """Compresses, large bodies outside the event loop and each content once while it is remembered."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._size = 0
        self._remembered: OrderedDict[bytes, bytes] = OrderedDict()

    async def compress(self, body: bytes) -> bytes:
        """``body`` as gzip (RFC 1952), without a time in it: the same body gives the same bytes."""
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

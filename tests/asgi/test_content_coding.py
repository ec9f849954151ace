"""When a body is compressed, and the cache of compressed bodies."""

from __future__ import annotations

import gzip

import pytest

from bootgrant.asgi.content_coding import Gzip, asks_for_gzip

LARGE = b"machine: " * 5000


def wanted(*fields: str) -> bool:
    return asks_for_gzip({"headers": [(b"accept-encoding", field.encode()) for field in fields]})


@pytest.mark.parametrize(
    "field",
    [
        "gzip",
        "GZip",
        "x-gzip",
        "br, gzip",
        "gzip;q=0.001",
        "deflate;q=0.5,gzip ; Q=0.2",
        "identity;q=0, *",
        "*;q=0, gzip",
    ],
)
def test_a_client_that_prefers_gzip_gets_it(field: str) -> None:
    assert wanted(field)


@pytest.mark.parametrize(
    "field",
    ["", "identity", "br", "gzip;q=0", "gzip;q=0.0, *", "*", "gzip;q=0.5, identity", "gzip;q=x", "gzip;q=-1", "gzipped",
     "gzip;q=nan", "gzip;q=1e9", "gzip;q=\xb2"],
)  # fmt: skip
def test_any_other_client_gets_the_uncompressed_body(field: str) -> None:
    assert not wanted(field)


def test_the_header_may_be_repeated_or_absent() -> None:
    assert wanted("br", "gzip")
    assert not wanted()


@pytest.mark.anyio
@pytest.mark.parametrize("body", [b"small", LARGE, b""])
async def test_compression_is_lossless_and_deterministic(body: bytes) -> None:
    first, second = await Gzip().compress(body), await Gzip().compress(body)
    assert first == second
    assert gzip.decompress(first) == body


@pytest.mark.anyio
async def test_a_large_body_is_compressed_once_while_it_is_in_the_cache() -> None:
    coding = Gzip(kept=400)
    first = await coding.compress(LARGE)
    assert await coding.compress(LARGE) is first
    for number in range(8):
        await coding.compress(LARGE + bytes([number]))
    assert await coding.compress(LARGE) is not first

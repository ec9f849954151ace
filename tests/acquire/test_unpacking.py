"""gzip files are unpacked in bounded memory."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.errors import BadConfig
from bootgrant.acquire.unpacking import unpack_gzip

_CONFIG = b"version: v1alpha1\nmachine:\n  type: worker\n"
_LIMIT = 1 << 16


def test_a_gzip_file_is_unpacked_and_anything_else_is_unchanged() -> None:
    assert unpack_gzip(gzip.compress(_CONFIG) + gzip.compress(b"---\n"), _LIMIT) == _CONFIG + b"---\n"
    assert unpack_gzip(_CONFIG, _LIMIT) == _CONFIG
    assert unpack_gzip(b"", _LIMIT) == b""


def test_a_gzip_file_that_is_broken_or_too_large_is_refused() -> None:
    for broken in (gzip.compress(_CONFIG)[:-9], gzip.compress(_CONFIG) + b"x", b"\x1f\x8b\x08"):
        with pytest.raises(BadConfig, match="broken gzip"):
            unpack_gzip(broken, _LIMIT)
    with pytest.raises(BadConfig, match="more than 65536 bytes"):
        unpack_gzip(gzip.compress(bytes(64 << 20)), _LIMIT)


@given(st.binary(), st.sampled_from([b"", b"\x1f\x8b\x08", gzip.compress(_CONFIG)[:12]]))
def test_arbitrary_bytes_are_unpacked_or_refused(content: bytes, start: bytes) -> None:
    try:
        unpack_gzip(start + content, _LIMIT)
    except BadConfig as error:
        assert error.next_step  # noqa: PT017  either outcome is right

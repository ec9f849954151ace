"""A configuration that is on the machine already: medium, file, kernel command line, and its packing."""

from __future__ import annotations

import base64
import gzip
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import backports.zstd as zstd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.cmdline.settings import INLINE, read_settings
from bootgrant.acquire.errors import BadConfig, BadParameter, DownloadFailed
from bootgrant.acquire.sources import decode_inline, read_file_url, read_metal_iso, source_error
from bootgrant.acquire.unpacking import unpack_gzip
from bootgrant.wire.secret import Secret
from support.machines import FakeMachine
from support.media import iso
from support.parts import program

_CONFIG = b"version: v1alpha1\nmachine:\n  type: worker\n"
_LIMIT = 1 << 16


def _encoded(content: bytes) -> Secret:
    return Secret(base64.b64encode(content).decode())


def test_the_labelled_medium_gives_the_configuration(tmp_path: Path) -> None:
    FakeMachine(tmp_path).disk("sr0", iso(tmp_path, _CONFIG))
    assert read_metal_iso(tmp_path, time.monotonic()) == (_CONFIG, str(tmp_path / "dev/sr0"))


def test_without_the_medium_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"no medium labelled metal-iso.*xorriso -as mkisofs -V metal-iso"):
        read_metal_iso(tmp_path, time.monotonic())


def test_a_medium_with_a_file_too_large_is_not_taken(tmp_path: Path) -> None:
    FakeMachine(tmp_path).disk("sr0", iso(tmp_path, _CONFIG))
    with pytest.raises(BadConfig, match="more than the 10 that are taken"):
        read_metal_iso(tmp_path, time.monotonic(), limit=10)


def test_a_file_url_names_a_file(tmp_path: Path) -> None:
    (tmp_path / "a b.yaml").write_bytes(_CONFIG)
    assert read_file_url(f"file://{tmp_path}/a%20b.yaml?uuid=1") == _CONFIG
    with pytest.raises(BadConfig, match="more than 10 bytes"):
        read_file_url(f"file://{tmp_path}/a%20b.yaml", limit=10)


@pytest.mark.parametrize("url", ["file://server/share", "file:relative", "file://", "file:///a%00b", "file://[x"])
def test_a_file_url_without_a_file_on_this_machine_is_refused(url: str) -> None:
    with pytest.raises(BadParameter):
        read_file_url(url)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"missing\.yaml: No such file"):
        read_file_url(f"file://{tmp_path}/missing.yaml")


@pytest.mark.parametrize("url", ["tftp://10.0.0.1/c", "ftp://x/", "", "http://[bad/", "config.yaml"])
def test_a_source_that_nothing_can_fetch_is_said_at_once(url: str) -> None:
    error = source_error(read_settings(parse_cmdline(f"talos.config={url}")))
    assert error is not None
    assert ("not supported" in str(error)) == url.startswith("tftp")


@pytest.mark.parametrize("url", ["http://x/", "https://x/", "file:///x", "metal-iso", "none talos.config.inline=x"])
def test_a_source_that_can_be_fetched_is_no_error(url: str) -> None:
    assert source_error(read_settings(parse_cmdline(f"talos.config={url}"))) is None


def test_an_inline_configuration_is_base64_of_zstd() -> None:
    assert decode_inline(_encoded(zstd.compress(_CONFIG)), INLINE) == _CONFIG
    frames = zstd.compress(_CONFIG) + zstd.compress(b"---\n")
    assert decode_inline(_encoded(frames), INLINE) == _CONFIG + b"---\n"


@pytest.mark.parametrize(
    "encoded", [Secret("!"), Secret("YQ"), Secret("é"), _encoded(_CONFIG), _encoded(zstd.compress(_CONFIG)[:-3])]
)
def test_an_inline_configuration_that_is_none_is_refused_without_showing_it(encoded: Secret) -> None:
    with pytest.raises(BadParameter, match=r"talos\.config\.inline is not (base64|zstd)") as caught:
        decode_inline(encoded, INLINE)
    assert encoded.reveal() not in caught.value.what or len(encoded.reveal()) < 3


def test_a_small_parameter_cannot_fill_the_memory() -> None:
    with pytest.raises(BadConfig, match="holds more than 65536 bytes"):
        decode_inline(_encoded(zstd.compress(bytes(64 << 20))), INLINE, _LIMIT)


def _without_libraries(content: bytes, folder: Path, path: str) -> str:
    """Decode in a Python that has none of the libraries of this environment."""
    code = (
        "import sys\nfrom bootgrant.acquire.errors import AcquireError\n"
        "from bootgrant.acquire.sources import decode_inline\nfrom bootgrant.wire.secret import Secret\n"
        "try: sys.stdout.write(decode_inline(Secret(sys.argv[1]), 'talos.config.inline', 65536).decode())\n"
        "except AcquireError as error: print(error)"
    )
    shutil.copytree(Path(__file__).resolve().parents[2] / "src/bootgrant", folder / "bootgrant", dirs_exist_ok=True)
    environment = {"PATH": path, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-S", "-c", code, _encoded(content).reveal()]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python unpacks zstd itself")
def test_without_a_library_the_program_zstd_is_used(tmp_path: Path) -> None:
    folder = str(program("zstd", "zstd").parent)
    assert _without_libraries(zstd.compress(_CONFIG), tmp_path, folder) == _CONFIG.decode()
    assert "is not zstd" in _without_libraries(_CONFIG, tmp_path, folder)
    assert "is not zstd" in _without_libraries(zstd.compress(_CONFIG)[:-3], tmp_path, folder)
    assert "more than 65536 bytes" in _without_libraries(zstd.compress(bytes(64 << 20)), tmp_path, folder)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python unpacks zstd itself")
def test_without_library_and_program_the_error_says_what_to_install(tmp_path: Path) -> None:
    shown = _without_libraries(zstd.compress(_CONFIG), tmp_path, os.devnull)
    assert shown.startswith("nothing on this machine unpacks zstd: use Python 3.14, install backports.zstd")


def test_a_gzip_file_is_unpacked_and_anything_else_is_left_alone() -> None:
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
def test_any_bytes_unpack_or_are_refused(content: bytes, start: bytes) -> None:
    try:
        unpack_gzip(start + content, _LIMIT)
    except BadConfig as error:
        assert error.next_step  # noqa: PT017  either outcome is right


@given(st.one_of(st.text(), st.binary().map(lambda content: _encoded(content).reveal())))
def test_any_inline_text_decodes_or_is_refused(text: str) -> None:
    try:
        content = decode_inline(Secret(text), INLINE, _LIMIT)
    except (BadParameter, BadConfig):
        return
    assert len(content) <= _LIMIT

"""One boot: each source of a configuration is read in its own way, in both modes."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from backports import zstd

from bootgrant.acquire.acquisition import Acquisition, Configuration
from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.errors import BadConfig, BadParameter
from bootgrant.acquire.options import Expect, Options
from bootgrant.acquire.sinks.files import FileSink
from bootgrant.acquire.talos.metal import run_as_talos
from support.machines import FakeMachine
from support.media import iso
from support.screen import QuickClock, Screen

ON_MEDIUM = b"version: v1alpha1\n# on the medium\n"
IN_FILE = b"version: v1alpha1\n# in the file\n"
INLINE = b"version: v1alpha1\n# inline\n"
EARLY = b"apiVersion: v1alpha1\nkind: TrustedRootsConfig\n# early\n"


def encoded(content: bytes) -> str:
    return base64.b64encode(zstd.compress(content)).decode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with a configuration in every place."""
    machine = FakeMachine(tmp_path).disk("sr0", iso(tmp_path, ON_MEDIUM))
    machine.file("config.yaml", IN_FILE)
    return tmp_path


def got(root: Path, cmdline: str, expect: Expect = Expect.ANY) -> Configuration:
    return Acquisition(parse_cmdline(cmdline), Options(root=root, expect=expect), Screen(), QuickClock()).run()


def got_as_talos(root: Path, cmdline: str) -> bytes:
    output = root / "output"
    assert run_as_talos(parse_cmdline(cmdline), Options(root=root), Screen(), FileSink(output)) == 0
    return output.read_bytes()


def test_a_labelled_medium_is_searched_and_named(root: Path) -> None:
    assert got(root, "talos.config=metal-iso") == Configuration(ON_MEDIUM, str(root / "dev/sr0"))
    assert got_as_talos(root, "talos.config=metal-iso") == ON_MEDIUM


def test_a_file_url_is_read_as_a_file(root: Path) -> None:
    url = f"file://{root}/config.yaml"
    assert got(root, f"talos.config={url}") == Configuration(IN_FILE, url)
    assert got_as_talos(root, f"talos.config={url}") == IN_FILE


@pytest.mark.parametrize("no_url", ["", "talos.config=none "])
def test_documents_on_the_kernel_command_line_are_decoded(root: Path, no_url: str) -> None:
    inline, early = f"talos.config.inline={encoded(INLINE)}", f"talos.config.early={encoded(EARLY)}"
    assert got(root, f"{no_url}{inline}") == Configuration(INLINE, "talos.config.inline")
    assert got(root, f"{no_url}{early}") == Configuration(EARLY, "talos.config.early")
    both = got(root, f"{no_url}{inline} {early}")
    assert both == Configuration(EARLY + b"\n---\n" + INLINE, "talos.config.early and talos.config.inline")
    assert got_as_talos(root, f"{no_url}{inline} {early}") == INLINE


@pytest.mark.parametrize("scheme", ["tftp", "ftp"])
def test_a_source_that_cannot_be_fetched_ends_at_once(root: Path, scheme: str) -> None:
    with pytest.raises(BadParameter, match=f"{scheme}.*(not supported|unsupported)"):
        got(root, f"talos.config={scheme}://{root}/config.yaml")


def test_every_source_is_checked_to_be_of_the_expected_kind(root: Path) -> None:
    for cmdline in ("talos.config=metal-iso", f"talos.config=file://{root}/config.yaml"):
        with pytest.raises(BadConfig, match="not an Ignition configuration"):
            got(root, cmdline, Expect.IGNITION)
    with pytest.raises(BadConfig, match="not an Ignition configuration"):
        got(root, f"talos.config.inline={encoded(INLINE)}", Expect.IGNITION)

"""QR codes: the same as those of Talos, and readable in every style."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.console import qr
from bootgrant.acquire.console.qr import QrStyle
from support.screenshot import read_qr, screenshot

VECTORS = Path(__file__).parents[2] / "vectors" / "deviceflow.json"
BLOCKS = frozenset("█▀▄ ")
URLS = [
    "https://idp.example/device?user_code=ABCD-EFGH",
    "https://boot.example.com:8443/d/WXYZ-1234",
    "HTTPS://B.EXAMPLE/D/A",
]


def talos_codes() -> set[tuple[str, ...]]:
    """Every QR code in the logs of the reference."""
    codes = set()
    for vector in json.loads(VECTORS.read_text()):
        log = vector["log"]
        for above in (at for at, line in enumerate(log) if "scan the following QR code" in line):
            below = next(at for at in range(above + 1, len(log)) if not set(log[at]) <= BLOCKS)
            codes.add(tuple(log[above + 1 : below]))
    return codes


def test_half_style_is_what_talos_draws() -> None:
    codes = talos_codes()
    assert codes
    for lines in codes:
        modules = qr.encode(read_qr(screenshot(lines)) or "")
        assert modules is not None
        assert tuple(qr.render(modules, QrStyle.HALF)) == lines


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("quiet_zone", [4, 1])
@pytest.mark.parametrize(("style", "blur"), [(QrStyle.HALF, 0), (QrStyle.FULL, 0), (QrStyle.ASCII, 5)])
def test_a_qr_reader_can_read_it_off_the_screen(url: str, quiet_zone: int, style: QrStyle, blur: int) -> None:
    modules = qr.encode(url)
    assert modules is not None
    assert read_qr(screenshot(qr.render(modules, style, quiet_zone)), blur=blur) == url


def test_a_sharp_picture_of_ascii_needs_the_blur() -> None:
    """The reader is not just lenient: without the blur, the holes in the characters stop it."""
    modules = qr.encode(URLS[0])
    assert modules is not None
    assert read_qr(screenshot(qr.render(modules, QrStyle.ASCII))) is None


@given(st.text(min_size=1, max_size=300), st.sampled_from(QrStyle), st.sampled_from(qr.QUIET_ZONES))
def test_render_takes_the_computed_size(text: str, style: QrStyle, quiet_zone: int) -> None:
    modules = qr.encode(text)
    assert modules is not None
    lines = qr.render(modules, style, quiet_zone)
    assert {(len(line), len(lines)) for line in lines} == {qr.size(modules, style, quiet_zone)}


@given(st.binary(max_size=300))
def test_arbitrary_text_can_be_encoded(raw: bytes) -> None:
    assert qr.encode(raw.decode("utf-8", "surrogateescape")) is not None


def test_a_text_too_long_for_a_qr_code_has_no_symbol() -> None:
    assert qr.encode("x" * 2953) is not None
    assert qr.encode("x" * 2954) is None


@pytest.mark.parametrize(
    ("columns", "lines", "expected"),
    [(80, 24, 4), (37, 19, 4), (36, 19, 3), (31, 16, 1), (30, 24, None), (80, 15, None)],
)
def test_the_quiet_zone_shrinks_before_the_code_is_left_out(columns: int, lines: int, expected: int | None) -> None:
    modules = qr.encode(URLS[0])
    assert modules is not None
    assert qr.fitting_quiet_zone(modules, QrStyle.HALF, columns, lines) == expected

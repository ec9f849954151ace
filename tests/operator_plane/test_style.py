"""The style sheets: contrast in light and dark (WCAG 2.2, 1.4.3 and 1.4.11), and no external resources."""

from __future__ import annotations

import hashlib
import re
from importlib import resources

import pytest

from bootgrant.operator_plane.frame import Colour
from bootgrant.operator_plane.rendering import assets

SHEET = next(
    asset.content for name, asset in assets().items() if name.startswith("pages.") and name.endswith(".css")
).decode()
TEXTS = [
    ("text", "ground"), ("text", "panel"), ("soft", "ground"), ("soft", "panel"), ("accent", "panel"),
    ("accent", "ground"), ("on-accent", "accent"), ("on-accent", "accent-strong"), ("amber", "amber-ground"),
    ("amber", "panel"), ("red", "red-ground"), ("text", "mark"),
]  # fmt: skip


def palettes() -> dict[str, dict[str, str]]:
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\n *\}", SHEET, re.DOTALL)
    )
    return {"light": light, "dark": dark}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_text_has_enough_contrast(scheme: str, text: str, ground: str) -> None:
    colours = palettes()[scheme]
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_a_marked_character_has_the_colour_whose_contrast_with_the_mark_is_tested() -> None:
    (rule,) = re.findall(r"\.claim mark \{(.*?)\}", SHEET, re.DOTALL)
    assert "background: var(--mark); color: var(--text);" in rule


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_edges_of_fields_and_buttons_have_enough_contrast(scheme: str) -> None:
    colours = palettes()[scheme]
    assert contrast(colours["edge"], colours["panel"]) >= 3


@pytest.mark.parametrize("colour", Colour)
def test_the_header_of_every_site_has_enough_contrast(colour: Colour) -> None:
    named = dict(re.findall(r'\[data-colour="([a-z]+)"\] \{ --site: (#[0-9a-f]{6}); \}', SHEET))
    ground = palettes()["light"]["site"] if colour is Colour.TEAL else named[colour]
    assert contrast("#ffffff", ground) >= 4.5


def test_the_style_sheets_load_nothing() -> None:
    base = (resources.files("bootgrant.operator_plane") / "static" / "modern-normalize.css").read_text("utf-8")
    for sheet in (base, SHEET):
        assert "url(" not in sheet
        assert "@import" not in sheet


def test_modern_normalize_is_the_published_file() -> None:
    base = (resources.files("bootgrant.operator_plane") / "static" / "modern-normalize.css").read_bytes()
    assert hashlib.sha256(base).hexdigest() == "b4ad31da9b1b17de182a08e4c39159496574d90a82464c6d5afeda7133f0e110"

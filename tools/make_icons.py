"""Draw the icons of the installed pages from static/icon.svg, with Chromium."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

STATIC: Final = ROOT / "src/bootgrant/operator_plane/static"
SIZES: Final = (192, 512)


def main() -> None:
    from support.browser import chromium

    svg = (STATIC / "icon.svg").read_text("utf-8")
    # A maskable icon fills its square; what must stay visible is in the inner 80 % (Web App Manifest section 2.7).
    square = svg.replace('rx="6" ', "").replace("/><path", '/><g transform="translate(3 3) scale(.75)"><path', 1)
    maskable = square.replace("</svg>", "</g></svg>")
    with chromium() as browser:
        for name, drawn in (("icon", svg), ("icon-maskable", maskable)):
            for size in SIZES:
                page = browser.new_page(viewport={"width": size, "height": size})
                page.set_content(f"<style>body{{margin:0}}svg{{display:block;width:{size}px}}</style>{drawn}")
                page.screenshot(path=STATIC / f"{name}-{size}.png", omit_background=True)
                page.close()


if __name__ == "__main__":
    main()

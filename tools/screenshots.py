"""Take every page in every state, light and dark, for review: ``.venv/dev/bin/python tools/screenshots.py FOLDER``.

``make pictures`` takes those of the documentation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.access_rack import AccessRack, access_rack, access_views  # noqa: E402
from support.browser import ServedApp, chromium  # noqa: E402
from support.pictures import DESK, PHONE, Picture, take  # noqa: E402
from support.rack import Rack, View, rack, views  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as place, rack(Path(place)) as site:
        _take_all(folder, site, lambda: views(site))
    with tempfile.TemporaryDirectory() as place, rack(Path(place), waiting=False) as site:
        _take_all(folder, site, lambda: views(site))
    with tempfile.TemporaryDirectory() as place, access_rack(Path(place)) as people:
        _take_all(folder, people, lambda: access_views(people))


def _take_all(folder: Path, site: Rack | AccessRack, shown: Callable[[], Sequence[View]]) -> None:
    """Take the views of a site, which are known after it was filled."""
    with (
        ServedApp(site.site.built.public) as app,
        chromium(f"MAP boot.example:8080 127.0.0.1:{app.port}") as browser,
    ):
        app.run(site.fill)
        for scheme in ("light", "dark"):
            for size in (PHONE, DESK):
                for view in shown():
                    take(browser, Picture(view, size, scheme), folder / scheme / str(size[0]), whole=True)


if __name__ == "__main__":
    main()

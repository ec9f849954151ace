"""The queue without machines and with those of a pool: axe finds nothing, nothing overflows, no two rows are alike."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from support.axe import violations
from support.browser import ServedApp, chromium
from support.rack import PUBLIC_URL, rack, views
from support.visits import SIZES, WEIGHT, entered


@pytest.mark.parametrize(("waiting", "pool"), [(False, 0), (True, 40)], ids=["empty", "pool"])
def test_an_empty_queue_and_one_of_a_pool_are_as_good(tmp_path: Path, waiting: bool, pool: int) -> None:
    found: dict[str, object] = {}
    with (
        rack(tmp_path, waiting=waiting, pool=pool) as made,
        ServedApp(made.site.built.public) as served,
        chromium(f"MAP boot.example:8080 127.0.0.1:{served.port}") as browser,
    ):
        served.run(made.fill)
        for size, scheme in product(SIZES, ("light", "dark")):
            with entered(browser, size, scheme) as context:
                page = context.new_page()
                for view in views(made):
                    view.open(page)
                    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    heavy = page.evaluate(WEIGHT) >= 60_000
                    if broken := [*violations(page), *(["wide"] if wide > 0 else []), *(["heavy"] if heavy else [])]:
                        found[f"{view.name} {size} {scheme}"] = broken
                if pool:
                    page.goto(f"{PUBLIC_URL}/?rows=40")
                    rows = [
                        re.sub(r"\d+:\d\d|[A-Z]{4}-[*]{4}", "", row) for row in page.locator(".row").all_inner_texts()
                    ]
                    assert len(set(rows)) == len(rows) == 40
    assert found == {}

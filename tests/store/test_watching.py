"""A watcher is woken by every version that it has not read, in whatever order news and reads arrive."""

from __future__ import annotations

import pytest

from bootgrant.store.postgres.watching import Watching

pytestmark = pytest.mark.anyio


async def test_news_of_a_newer_version_wakes_and_of_a_known_one_does_not() -> None:
    watching = Watching()
    with watching.watch("g") as wake:
        watching.read("g", 1)
        watching.changed("g", 1)
        assert not wake.done()
        watching.changed("g", 2)
        assert wake.done()


async def test_news_that_overtakes_the_read_wakes() -> None:
    watching = Watching()
    with watching.watch("g") as wake:
        watching.changed("g", 2)
        assert wake.done()
        watching.read("g", 1)
        assert watching.versions() == {"g": 2}


async def test_one_watcher_reading_something_newer_wakes_the_other() -> None:
    watching = Watching()
    with watching.watch("g") as first:
        watching.read("g", 1)
        with watching.watch("g"):
            watching.read("g", 2)
            assert first.done()


async def test_a_look_at_the_table_needs_what_was_read() -> None:
    watching = Watching()
    with watching.watch("g") as wake, watching.watch("h"):
        watching.read("g", 3)
        assert watching.versions() == {"g": 3}
        watching.gone("g")
        assert wake.done()
    assert watching.versions() == {}


async def test_what_nobody_watches_is_not_remembered() -> None:
    watching = Watching()
    watching.read("g", 1)
    watching.changed("g", 2)
    with watching.watch("g") as wake:
        watching.read("g", 2)
        assert not wake.done()

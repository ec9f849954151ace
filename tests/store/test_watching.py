"""A watcher is woken by every version that it has not read, in whatever order news and reads arrive."""

from __future__ import annotations

import pytest

from bootgrant.store.postgres.watching import Watching
from support.grants import pending_grant

pytestmark = pytest.mark.anyio
GRANT, _ = pending_grant()


async def test_news_of_a_newer_version_wakes_and_of_a_known_version_does_not() -> None:
    watching = Watching()
    with watching.watch(GRANT.grant_id) as wake:
        watching.read(GRANT, 1)
        watching.changed(GRANT.grant_id, 1)
        assert not wake.done()
        watching.changed(GRANT.grant_id, 2)
        assert wake.done()


async def test_news_that_overtakes_the_read_wakes_the_watcher() -> None:
    watching = Watching()
    with watching.watch(GRANT.grant_id) as wake:
        watching.changed(GRANT.grant_id, 2)
        assert wake.done()
        watching.read(GRANT, 1)
        assert watching.versions() == {GRANT.grant_id: 2}


async def test_a_newer_read_of_one_watcher_wakes_the_other() -> None:
    watching = Watching()
    with watching.watch(GRANT.grant_id) as first:
        watching.read(GRANT, 1)
        with watching.watch(GRANT.grant_id):
            watching.read(GRANT, 2)
            assert first.done()


async def test_the_versions_to_look_up_are_those_that_were_read() -> None:
    watching = Watching()
    with watching.watch(GRANT.grant_id) as wake, watching.watch("h"):
        watching.read(GRANT, 3)
        assert watching.versions() == {GRANT.grant_id: 3}
        watching.gone(GRANT.grant_id)
        assert wake.done()
    assert watching.versions() == {}


async def test_an_unwatched_grant_is_not_remembered() -> None:
    watching = Watching()
    watching.read(GRANT, 1)
    watching.changed(GRANT.grant_id, 2)
    with watching.watch(GRANT.grant_id) as wake:
        watching.read(GRANT, 2)
        assert not wake.done()

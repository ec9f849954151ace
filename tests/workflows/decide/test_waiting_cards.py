"""The waiting list as people and as refreshing pages read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.grants import other_machine
from support.office import Office
from support.site import site_in_process

pytestmark = pytest.mark.anyio


async def test_refreshing_pages_share_one_read_per_second_and_a_person_sees_the_current_list(tmp_path: Path) -> None:
    with site_in_process(tmp_path) as site:
        office = Office(site)
        person = await office.person()
        await office.machine(identity=other_machine(1))
        assert "1 waiting" in (await person.open("/?auto=1")).text
        await office.machine(identity=other_machine(2))
        assert "1 waiting" in (await person.open("/?auto=1")).text
        assert "2 waiting" in (await person.open("/")).text
        site.clock.advance(1)
        assert "2 waiting" in (await person.open("/?auto=1")).text


async def test_a_page_with_an_earlier_list_has_the_version_of_that_list(tmp_path: Path) -> None:
    with site_in_process(tmp_path) as site:
        office = Office(site)
        person = await office.person()
        await office.machine(identity=other_machine(1))
        before = await person.open("/?auto=1")
        await office.machine(identity=other_machine(2))
        versions = {page.text.partition('data-version="')[2][:16] for page in (before, await person.open("/?auto=1"))}
        assert len(versions) == 1
        assert (await person.open("/")).text.partition('data-version="')[2][:16] not in versions

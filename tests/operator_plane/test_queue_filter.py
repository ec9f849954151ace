"""The queue: filters, counts, and approving several machines at once."""

from __future__ import annotations

import html
from typing import Any

import httpx2
import pytest

from bootgrant.approval.operators import Actor, Label, Role
from bootgrant.approval.transitions import GrantState
from bootgrant.operator_plane.pages.queue import PAGE, Filter, batch_rows, read_filter, view_of
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.people import Operator
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.grant_cards import GrantCard
from support.grants import NOW, other_machine, pending_grant
from support.office import Office, Person, text_of
from support.site import CONFIG

ANA = Actor("ana", Role.APPROVER)


def card(number: int, entry: MachineEntry | None = None, **more: Any) -> GrantCard:
    grant, _ = pending_grant(identity=other_machine(number), source_address=f"10.20.0.{number}")
    return GrantCard(grant, f"WDJB-MJH{'BCDFGHJK'[number]}", GrantState.PENDING, entry, **more)


WORKER = MachineEntry("worker-1", "serial", labels={"site": "fra"}, machine_type="worker")
CONTROL = MachineEntry("cp-1", "serial", labels={"site": "ams"}, machine_type="controlplane")
CARDS = [card(1, WORKER), card(2, CONTROL, needed=2), card(3), card(4, WORKER, rivals=("10.9.9.9",))]


def names(chosen: Filter) -> list[str]:
    """The entries' names; a machine without an entry has none, and is named here by what it reports."""
    rows = view_of(CARDS, chosen, ANA, False).rows
    return [row.name or f"serial {row.card.grant.identity.serial}" for row in rows]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (Filter(), ["worker-1", "cp-1", "serial SN0003", "worker-1"]),
        (Filter(words="CP-1"), ["cp-1"]),
        (Filter(words="sn0003"), ["serial SN0003"]),
        (Filter(words="worker 10.20.0.4"), ["worker-1"]),
        (Filter(words="wdjb-mjhc"), ["worker-1"]),
        (Filter(label="site=ams"), ["cp-1"]),
        (Filter(show="unknown"), ["serial SN0003"]),
        (Filter(show="mismatch"), ["worker-1"]),
        (Filter(words="nothing like this"), []),
    ],
)
def test_a_filter_searches_everything_in_a_row(chosen: Filter, found: list[str]) -> None:
    assert names(chosen) == found


def test_the_hidden_half_of_a_code_cannot_be_searched_for() -> None:
    assert view_of(CARDS, Filter(words="mjhc"), ANA, True).rows == ()


def test_the_links_count_the_machines_of_each_verdict() -> None:
    view = view_of(CARDS, Filter(), ANA, False)
    assert [(show.name, show.count) for show in view.shows] == [
        ("all", 4), ("expected", 2), ("mismatch", 1), ("unknown", 1),
    ]  # fmt: skip
    assert view.labels == ("site=ams", "site=fra")


def test_only_expected_machines_without_mismatches_that_need_one_approval_are_for_batches() -> None:
    assert [row.name for row in batch_rows(CARDS, Filter(), ANA, False)] == ["worker-1"]
    assert view_of(CARDS, Filter(), ANA, False).approvable == 1
    others = Actor("ben", Role.APPROVER, (Label("site", "ams"),))
    assert (batch_rows(CARDS, Filter(), others, False), view_of(CARDS, Filter(), others, False).approvable) == ((), 0)


def test_five_hundred_machines_are_shown_page_by_page() -> None:
    many = [card(number % 8, WORKER) for number in range(500)]
    view = view_of(many, Filter(), ANA, False)
    assert (len(view.rows), view.more, view.more_link) == (PAGE, 50, "/?rows=75")
    last = view_of(many, Filter(rows=500), ANA, False)
    assert (len(last.rows), last.more) == (500, 0)


def test_invalid_parts_of_a_query_are_ignored() -> None:
    assert read_filter("x" * 500, "\u202e", "everything", "-3") == Filter("x" * 100, "\u202e")
    assert read_filter("", "", "expected", "99999").rows == PAGE


@pytest.mark.anyio
async def test_the_page_with_five_hundred_machines_is_smaller_than_45_kilobytes(office: Office) -> None:
    person = await office.person()
    for number in range(500):
        await office.machine(identity=other_machine(number))
    page = await person.open("/")
    assert "500 waiting" in page.text
    assert page.text.count('class="row"') == PAGE
    assert len(page.content) < 45_000
    assert "SN0007" in text_of(await person.open("/?q=sn0007"))


@pytest.mark.anyio
async def test_operators_can_only_approve_their_own_machines_together(office: Office) -> None:
    (office.site.machines / "52-2f-fd-df-fc-c1.yaml").write_text(CONFIG)
    await office.machine(identity=MachineIdentity(mac="52:2f:fd:df:fc:c1"))
    offered = []
    for name, role, labels in (
        ("ana", Role.APPROVER, ()),
        ("ben", Role.APPROVER, (Label("site", "ams"),)),
        ("cleo", Role.VIEWER, ()),
    ):
        await office.site.database.operators.add_operator(Operator(name, "", NOW, role, labels))
        person = await office.person(name)
        batch = text_of(await person.open("/batch"))
        offered.append(("Approve 1 expected" in text_of(await person.open("/")), "Approve these machines" in batch))
    assert offered == [(True, True), (False, False), (False, False)]


@pytest.mark.anyio
async def test_selected_machines_are_approved_and_others_keep_waiting(office: Office) -> None:
    person = await office.person()
    grants = []
    for number in range(3):
        office.configure(f"SN000{number}.yaml")
        grants.append((await office.machine(identity=other_machine(number)))[0])
    page = await person.open("/batch")
    seen = {field.partition('"')[0]: field for field in page.text.split('name="m-')[1:]}
    chosen = {
        f"m-{grant.grant_id}": seen[grant.grant_id].partition('value="')[2].partition('"')[0] for grant in grants[:2]
    }
    done = await person.send("/batch", **chosen)
    assert "2 approved" in text_of(done)
    states = [(await office.site.database.grants.find_grant(grant.grant_id)) for grant in grants]
    assert [grant and grant.state for grant in states] == ["approved", "approved", "pending"]


@pytest.mark.anyio
async def test_machines_that_changed_meanwhile_are_not_approved_but_named(office: Office) -> None:
    person = await office.person()
    office.configure("SN0001.yaml")
    known, _ = await office.machine(identity=other_machine(1))
    unknown, _ = await office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    await person.open("/batch")
    page = await person.send("/batch", **{f"m-{known.grant_id}": "stale", f"m-{unknown.grant_id}": "stale"})
    assert page.status_code == 409
    assert "Not approved: 2" in text_of(page)
    assert text_of(page).count("It has changed since you looked") == 2
    assert "SN0001.yaml serial SN0001" in text_of(page)
    assert "Unknown machine serial 0OCZJ19N71" in text_of(page)


@pytest.mark.anyio
async def test_a_selection_from_before_the_session_ended_is_kept(office: Office) -> None:
    person = await office.person()
    for number in (1, 2):
        office.configure(f"SN000{number}.yaml")
    first, _ = await office.machine(identity=other_machine(1))
    await office.machine(identity=other_machine(2))
    page = await person.open("/batch")
    assert page.text.count(" checked>") == 2
    back = await after_signing_in_again(office, person, [first.grant_id])
    assert back.text.count(" checked>") == 1


@pytest.mark.anyio
@pytest.mark.parametrize(("chosen", "kept"), [(50, 50), (125, 75)])
async def test_a_large_selection_from_before_the_session_ended_is_cut_but_never_extended(
    office: Office, chosen: int, kept: int
) -> None:
    person = await office.person()
    waiting = []
    for number in range(chosen + 3):
        office.configure(f"SN{number:04}.yaml")
        waiting.append((await office.machine(identity=other_machine(number)))[0].grant_id)
    await person.open("/batch")
    back = await after_signing_in_again(office, person, waiting[:chosen])
    assert back.text.count(" checked>") == kept


async def after_signing_in_again(office: Office, person: Person, chosen: list[str]) -> httpx2.Response:
    """Return the list after signing in again, with this selection from before."""
    person.client.cookies.clear()
    answer = await person.send("/batch", **{f"m-{grant_id}": "0123456789abcdef" for grant_id in chosen})
    sign_in = await office.browser().open(answer.headers["location"])
    goal = html.unescape(sign_in.text.partition('name="next" value="')[2].partition('"')[0])
    return await (await office.person()).open(goal)


@pytest.mark.anyio
async def test_an_empty_selection_changes_nothing(office: Office) -> None:
    person = await office.person()
    await person.open("/")
    page = await person.send("/batch")
    assert page.status_code == 400

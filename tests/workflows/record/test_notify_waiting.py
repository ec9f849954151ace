"""People are notified of waiting machines: once, gathered, until it arrives, and not when none is waiting any more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest

from bootgrant.approval.grant import DeviceGrant, Elsewhere
from bootgrant.approval.policy import parse_selector
from bootgrant.ports.configurations import MachineEntry, Rendered
from bootgrant.ports.notifications import Notice, NotSent, Topic
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.notify_waiting import (
    LONGEST,
    QUIET,
    SHOWN,
    NotifyWaiting,
    Target,
    plain_text,
    send_test,
)
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
LINK = "https://boot.example"


class Inbox:
    """ports.notifications.Messenger; ``refuse`` is raised instead of taking a message."""

    def __init__(self, *refuse: NotSent) -> None:
        self.taken: list[tuple[Notice, str]] = []
        self.refuse = list(refuse)

    async def send(self, notice: Notice, text: str) -> None:
        if self.refuse:
            raise self.refuse.pop(0)
        self.taken.append((notice, text))


class Rack:
    """ports.configurations.ConfigSource: the serial SN0004 is in site fra, SN0005 in ams, others are unknown.

    A machine with only a MAC gets an entry by a pattern.
    """

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        if not identity.serial:
            return MachineEntry("pool", "mac 52:2f:*", exact=False)
        site = {"SN0004": "fra", "SN0005": "ams"}.get(identity.serial)
        return MachineEntry(f"{site}-1", "serial", {"site": site}) if site else None

    async def may_need_two(self, identity: MachineIdentity) -> bool:
        return False

    async def named_entry(self, name: str) -> MachineEntry | None:
        site = name.partition("-")[0]
        return MachineEntry(name, "serial", {"site": site}) if site in ("fra", "ams") else None

    async def entries(self) -> Sequence[MachineEntry]:
        return []

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        return None

    async def render_made(self, name: str, identity: MachineIdentity, made: Mapping[str, Secret]) -> Rendered | None:
        return None

    async def preview(
        self, name: str, identity: MachineIdentity | None, *, reveal: bool = False, plain: bool = False
    ) -> str | None:
        return None


class Site:
    """The workflow on a store in memory, with a clock that tests move."""

    def __init__(self, *targets: Target, database: MemoryDatabase | None = None) -> None:
        self.clock = FakeClock()
        self.database = database or MemoryDatabase()
        store, outbox = self.database.grants, self.database.outbox
        self.notify = NotifyWaiting(store, Rack(), outbox, self.clock, CountedEntropy(), LINK, targets)

    async def machine(self, number: int = 1, identity: MachineIdentity | None = None) -> str:
        now = self.clock.now()
        grant, _ = pending_grant(identity=identity or other_machine(number), opened_at=now, expires_at=now + 3600)
        await self.database.grants.open_grant(grant)
        return grant.grant_id

    async def wait(self, seconds: float) -> None:
        """The server's chore, once a second."""
        others = asyncio.all_tasks()
        for _ in range(round(seconds)):
            await self.notify.step()
            while sending := asyncio.all_tasks() - others:
                await asyncio.wait(sending)
            self.clock.advance(1)


def target(inbox: Inbox, name: str = "night", *selectors: str) -> Target:
    return Target(name, inbox, plain_text, tuple(parse_selector(text) for text in selectors))


async def test_one_machine_is_one_message_with_a_link_to_its_page() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    grant_id = await site.machine(4)
    await site.wait(60)
    [(notice, text)] = inbox.taken
    assert (notice.title, notice.link) == ("bootgrant: a machine is waiting", f"{LINK}/requests/{grant_id}")
    assert (notice.message_id[:4], notice.machines[0].asked_at) == ("msg_", NOW)
    assert text.startswith("A machine is waiting for a decision.\n")
    assert "- serial=SN0004 from 10.20.0.11, gets fra-1" in text
    assert text.endswith(f"Sign in to decide: {LINK}/requests/{grant_id}")


async def test_what_a_machine_reports_never_reads_like_an_entry() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    await site.machine(identity=MachineIdentity(serial="fra-1"))
    await site.machine(identity=MachineIdentity(serial="x from 10.0.0.1, gets fra-1", hostname='fra-1"'))
    await site.wait(60)
    [(_, text)] = inbox.taken
    assert "- serial=fra-1 from 10.20.0.11, no configuration yet" in text
    reported = r'- serial="x from 10.0.0.1, gets fra-1" hostname="fra-1\x22"'
    assert f"{reported} from 10.20.0.11, no configuration yet" in text


async def test_a_machine_that_only_a_pattern_matched_says_so() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    await site.machine(identity=MachineIdentity(mac="52:2f:fd:df:fc:c0"))
    await site.wait(60)
    [(_, text)] = inbox.taken
    assert "- mac=52:2f:fd:df:fc:c0 from 10.20.0.11, gets pool (matched by pattern)" in text


async def test_two_hundred_at_once_are_one_message() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    for burst in range(4):
        for number in range(50):
            await site.machine(burst * 50 + number)
        await site.wait(2)
    await site.wait(30)
    [(notice, text)] = inbox.taken
    assert (notice.count, len(notice.machines), notice.more, notice.link) == (200, SHOWN, 200 - SHOWN, f"{LINK}/")
    assert text.startswith("200 machines are waiting for a decision.\n")
    assert f"- and {200 - SHOWN} more" in text


async def test_an_endless_stream_of_machines_does_not_keep_the_first_waiting() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    for number in range(round(LONGEST) + 3):
        await site.machine(number)
        await site.wait(1)
    assert len(inbox.taken) == 1
    assert QUIET < LONGEST <= inbox.taken[0][0].count <= LONGEST + 2


async def test_a_machine_that_was_decided_in_time_is_not_in_a_message() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    grant_id = await site.machine()
    await site.wait(2)

    await site.database.grants.change_grant(grant_id, lambda g: g.deny(decision_by("ana", site.clock.now())))
    await site.wait(20)
    assert inbox.taken == []
    assert site.notify.counts.outcomes == {("night", "needless"): 1}


async def test_a_target_with_selectors_is_notified_of_its_machines_only() -> None:
    everywhere, fra = Inbox(), Inbox()
    site = Site(target(everywhere, "all"), target(fra, "fra", "site=fra,fra-*", "site=nowhere"))
    for number in (3, 4, 5):
        await site.machine(number)
    await site.wait(20)
    assert [notice.count for notice, _ in everywhere.taken] == [3]
    assert [notice.machines[0].labels for notice, _ in fra.taken] == [{"site": "fra"}]


async def test_a_failed_message_is_sent_again_after_growing_pauses() -> None:
    inbox = Inbox(NotSent("down"), NotSent("down"), NotSent("busy", after=40))
    site = Site(target(inbox))
    await site.machine()
    await site.wait(QUIET + 1 + 5 + 10 + 30)
    assert (len(inbox.refuse), inbox.taken) == (0, [])
    await site.wait(30)
    assert len(inbox.taken) == 1
    assert site.notify.counts.outcomes == {("night", "failed"): 3, ("night", "sent"): 1}


async def test_each_pause_is_twice_the_last_up_to_five_minutes() -> None:
    inbox = Inbox(*(NotSent("down") for _ in range(20)))
    site = Site(target(inbox))
    await site.machine()
    attempts: list[float] = []
    while len(attempts) < 9:
        left = len(inbox.refuse)
        await site.wait(1)
        if len(inbox.refuse) < left:
            attempts.append(site.clock.now())
    assert [later - earlier for earlier, later in pairwise(attempts)] == [5, 10, 20, 40, 80, 160, 300, 300]


async def test_a_target_that_fails_does_not_delay_the_others() -> None:
    broken, well = Inbox(*(NotSent("down") for _ in range(99))), Inbox()
    site = Site(target(broken, "broken"), target(well, "well"))
    await site.machine()
    await site.wait(20)
    assert len(well.taken) == 1


async def test_a_permanent_failure_is_not_tried_again() -> None:
    inbox = Inbox(NotSent("answered 404", permanent=True))
    site = Site(target(inbox))
    await site.machine()
    await site.wait(120)
    assert inbox.taken == []
    assert site.notify.counts.outcomes == {("night", "failed"): 1}


async def test_a_restart_loses_no_message_and_sends_none_twice() -> None:
    down, inbox = Inbox(*(NotSent("down") for _ in range(99))), Inbox()
    before = Site(target(down))
    await before.machine()
    await before.wait(10)
    after = Site(target(inbox), database=before.database)
    after.clock.at = before.clock.at
    await after.wait(120)
    assert len(inbox.taken) == 1


async def test_a_stopped_server_sends_nothing_more() -> None:
    class Slow(Inbox):
        async def send(self, notice: Notice, text: str) -> None:
            sending.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.taken.append((notice, text))
                raise

    sending = asyncio.Event()
    inbox = Slow()
    site = Site(target(inbox))
    await site.machine()
    for _ in range(round(QUIET) + 2):
        await site.notify.step()
        site.clock.advance(1)
    await sending.wait()
    await site.notify.stop()
    assert len(inbox.taken) == 1
    assert site.notify.counts.outcomes == {}


async def test_a_test_message_says_that_it_is_one() -> None:
    inbox = Inbox()
    await send_test(target(inbox), LINK, NOW, "msg_1")
    [(notice, text)] = inbox.taken
    assert (notice.is_test, notice.message_id, notice.at) == (True, "msg_1", NOW)
    assert text == f"This is a test message from bootgrant. No machine is waiting.\n{LINK}/"


async def test_one_of_two_servers_on_a_store_sends() -> None:
    inbox = Inbox()
    one = Site(target(inbox))
    other = Site(target(inbox), database=one.database)
    await one.machine()
    for _ in range(20):
        await one.wait(1)
        await other.wait(1)
    assert len(inbox.taken) == 1


async def test_a_machines_claim_arrives_as_short_plain_text() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    await site.machine(identity=MachineIdentity(serial="\x1b[2J\u202e<!channel>" + "x" * 500))
    await site.wait(20)
    [(_, text)] = inbox.taken
    assert text.replace("\n", "").isprintable()
    assert text.isascii()
    assert len(text) < 400


async def redeemed(site: Site, use: Elsewhere) -> DeviceGrant:
    """Return an approved machine whose token was used at another address."""
    grant_id = await site.machine(4)
    grants = site.database.grants
    await grants.change_grant(grant_id, lambda g: g.approve(decision_by("ana", NOW), "fra-1"))
    after = await grants.change_grant(grant_id, lambda g: g.used_elsewhere(use))
    assert isinstance(after, DeviceGrant)
    return after


@pytest.mark.parametrize(
    ("refused", "done"), [(False, "The configuration of fra-1 was sent there."), (True, "It was refused there.")]
)
async def test_people_are_notified_of_a_token_at_another_address(refused: bool, done: str) -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    grant = await redeemed(site, Elsewhere("192.0.2.7", NOW, refused))
    await site.notify.report_elsewhere(grant)
    await site.wait(2)
    [(notice, text)] = inbox.taken
    assert (notice.topic, notice.title) == (Topic.ELSEWHERE, "bootgrant: a token was used at another address")
    assert (notice.machines[0].used_at, notice.machines[0].refused) == ("192.0.2.7", refused)
    assert text.startswith("The token of a machine was used at 192.0.2.7, but 10.20.0.11 asked for it.\n")
    assert f"- serial=SN0004, fra-1\n{done}\n" in text
    assert text.endswith(f"Sign in to look: {LINK}/requests/{grant.grant_id}")


async def test_each_use_at_another_address_is_a_message_of_its_own() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    site.clock.advance(5)
    grant = await redeemed(site, Elsewhere("192.0.2.7", site.clock.now(), refused=True))
    await site.notify.report_elsewhere(grant)
    site.clock.advance(1)
    newer = Elsewhere("192.0.2.8", site.clock.now(), refused=True)
    later = await site.database.grants.change_grant(grant.grant_id, lambda g: g.used_elsewhere(newer))
    assert isinstance(later, DeviceGrant)
    await site.notify.report_elsewhere(later)
    await site.wait(2)
    assert sorted(notice.machines[0].used_at for notice, _ in inbox.taken) == ["192.0.2.7", "192.0.2.8"]


async def test_a_target_is_notified_of_tokens_of_its_own_machines() -> None:
    inboxes = [Inbox(), Inbox(), Inbox()]
    selectors = [(), ("site=fra",), ("site=ams",)]
    site = Site(*(target(inbox, f"t{n}", *selectors[n]) for n, inbox in enumerate(inboxes)))
    await site.notify.report_elsewhere(await redeemed(site, Elsewhere("192.0.2.7", NOW, refused=True)))
    await site.wait(2)
    assert [len(inbox.taken) for inbox in inboxes] == [1, 1, 0]


async def test_a_message_says_that_a_machine_was_approved_before_and_got_nothing() -> None:
    inbox = Inbox()
    site = Site(target(inbox))
    approved = await site.machine(4)
    await site.database.grants.change_grant(approved, lambda g: g.approve(decision_by("ana", NOW), "fra-1"))
    site.clock.advance(13)
    await site.machine(4)
    await site.machine(5)
    await site.wait(30)
    [(notice, text)] = inbox.taken
    said = "Approved by ana 17 s ago, but never delivered: the machine lost its code. Approve again."
    assert f"- serial=SN0004 from 10.20.0.11, gets fra-1. {said}" in text
    assert sorted(machine.undelivered for machine in notice.machines) == ["", said]

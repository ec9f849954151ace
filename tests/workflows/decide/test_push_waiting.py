"""Push messages about waiting machines: to whom, about what, how often, and what happens when one does not arrive."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field, replace

import pytest

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Kind, Label, Role, parse_labels
from bootgrant.approval.push import Wishes, parse_selectors
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.notifications import NotSent
from bootgrant.ports.people import Operator
from bootgrant.ports.push import PushDevice, PushNote, Subscription, SubscriptionGone
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.push_waiting import BETWEEN, LONGEST, QUIET, PushWaiting
from bootgrant.workflows.record.sealed_subscriptions import SealedSubscriptions
from support.deciding import ANA, BEN, CP, Deciders, worker
from support.entries import Entries
from support.fakes import CountedEntropy
from support.grants import NOW, UUID, other_machine, pending_grant

pytestmark = pytest.mark.anyio
CONTROL_PLANE = MachineIdentity(uuid=UUID)


class Clear:
    """ports.providers.Sealing that seals nothing."""

    def seal(self, _secret: Secret, text: str) -> str:
        return text

    def unseal(self, _secret: Secret, sealed: str) -> Secret | None:
        return Secret(sealed) if sealed else None


@dataclass(slots=True)
class Phones:
    """ports.push.PushService. ``answers`` of a device are raised, or waited for, before anything reaches it."""

    notes: list[tuple[str, PushNote]] = field(default_factory=list)
    answers: dict[str, list[NotSent | asyncio.Event]] = field(default_factory=dict)

    def problem(self, _subscription: Subscription) -> str:
        return ""

    async def send(self, subscription: Subscription, note: PushNote) -> None:
        name = subscription.endpoint.reveal()
        match self.answers.get(name, []):
            case [NotSent() as refused, *rest]:
                self.answers[name] = rest
                raise refused
            case [asyncio.Event() as until, *_]:
                await until.wait()
        self.notes.append((name, note))

    def of(self, name: str) -> list[PushNote]:
        return [note for each, note in self.notes if each == name]


SEALED = SealedSubscriptions(Clear(), Secret("key"))


class Site(Deciders):
    """A site with cp-1 and two workers, and its servers, which all send push messages."""

    def server(self, phones: Phones) -> PushWaiting:
        base = self.database
        stores = base.operators, base.push_devices, base.outbox
        return PushWaiting(
            base.grants, self.cards, *stores, phones, SEALED, self.clock, CountedEntropy(), "fra production"
        )

    async def person(
        self, name: str, wishes: Wishes | None = None, role: Role = Role.APPROVER, labels: tuple[Label, ...] = ()
    ) -> None:
        """Add an operator who has turned push on."""
        await self.database.operators.add_operator(Operator(name, "", NOW, role, labels, Kind.LOCAL))
        sealed = json.dumps((name, "", ""))
        device = PushDevice(f"{name}-phone", name, "push.example", "", sealed, wishes or Wishes(), NOW)
        await self.database.push_devices.put_device(device)


@pytest.fixture
def site() -> Site:
    made = Site()
    made.entries.known += [CP, worker(1), worker(2)]
    return made


@pytest.fixture
def phones() -> Phones:
    return Phones()


async def settled(server: PushWaiting) -> None:
    """Let the tasks of the last step do what they can without the outside."""
    await server.step()
    for _ in range(50):
        await asyncio.sleep(0)


async def after(site: Site, seconds: float, *servers: PushWaiting) -> None:
    site.clock.advance(seconds)
    for server in servers:
        await settled(server)


async def gathered(site: Site, *servers: PushWaiting) -> None:
    """Let the servers see what is new, and send it."""
    await after(site, 0, *servers)
    await after(site, QUIET, *servers)


async def test_a_push_names_site_entry_and_verdict_and_links_to_the_card(site: Site, phones: Phones) -> None:
    await site.person("ana")
    grant = await site.request(other_machine(1))
    await gathered(site, site.server(phones))
    [note] = phones.of("ana")
    assert (note.title, note.body) == ("fra production: worker-1", "Expected, 10.20.0.11.")
    assert (note.link, note.tag, note.ttl) == (f"/requests/{grant.grant_id}", grant.grant_id, 598)


async def test_no_push_has_a_code(site: Site, phones: Phones) -> None:
    await site.person("ana")
    card = await site.cards.full(await site.request(other_machine(1)))
    await gathered(site, site.server(phones))
    assert not [part for part in card.user_code.split("-") if part in str(phones.notes)]


async def test_an_unknown_machine_is_called_unknown_and_its_words_are_shown_as_a_report(
    site: Site, phones: Phones
) -> None:
    await site.person("ana")
    await site.request(MachineIdentity(serial="fra production: worker-1\u202e\n" + "A" * 300))
    await gathered(site, site.server(phones))
    [note] = phones.of("ana")
    assert note.title == "fra production: Unknown machine"
    assert note.body.startswith("Unknown, 10.20.0.11. It reports serial=")
    assert note.body.isascii()
    assert note.body.isprintable()
    assert len(note.body) < 250


async def test_a_machine_that_another_one_contradicts_is_called_a_mismatch(site: Site, phones: Phones) -> None:
    await site.person("ana")
    await site.request(other_machine(1), "10.20.0.99")
    server = site.server(phones)
    await gathered(site, server)
    await after(site, BETWEEN)
    await site.request(other_machine(1))
    await gathered(site, server)
    assert phones.of("ana")[-1].body == "Mismatch, 10.20.0.11."


@pytest.mark.parametrize(
    ("wishes", "pushed"),
    [
        (Wishes(), ["Unknown machine", "cp-1", "worker-1"]),
        (Wishes(known=False), ["Unknown machine"]),
        (Wishes(unknown=False), ["cp-1", "worker-1"]),
        (Wishes(selectors=parse_selectors("role=worker,site=fra")), ["Unknown machine", "worker-1"]),
        (Wishes(unknown=False, selectors=parse_selectors("site=ams cp-*")), ["cp-1"]),
        (Wishes(known=False, unknown=False), []),
    ],
)
async def test_a_device_gets_only_the_machines_that_were_chosen(
    site: Site, phones: Phones, wishes: Wishes, pushed: list[str]
) -> None:
    await site.person("ana", wishes)
    server = site.server(phones)
    for identity in (CONTROL_PLANE, other_machine(1), other_machine(9)):
        await site.request(identity)
        await gathered(site, server)
        await after(site, BETWEEN)
    assert sorted(note.title.partition(": ")[2] for note in phones.of("ana")) == pushed


@pytest.mark.parametrize(
    ("role", "labels", "pushed"),
    [
        (Role.APPROVER, "", ["Unknown machine", "worker-1"]),
        (Role.ADMIN, "site=fra", ["worker-1"]),
        (Role.APPROVER, "site=ams", []),
        (Role.VIEWER, "", []),
        (Role.AUDITOR, "", []),
    ],
)
async def test_only_people_who_may_decide_about_a_machine_are_pushed(
    site: Site, phones: Phones, role: Role, labels: str, pushed: list[str]
) -> None:
    await site.person("ana", None, role, parse_labels(labels.split()))
    server = site.server(phones)
    for identity in (other_machine(1), other_machine(9)):
        await site.request(identity)
        await gathered(site, server)
        await after(site, BETWEEN)
    assert sorted(note.title.partition(": ")[2] for note in phones.of("ana")) == pushed


async def test_a_disabled_operator_gets_nothing_more(site: Site, phones: Phones) -> None:
    await site.person("ana")
    phones.answers["ana"] = [NotSent("answered 503")]
    server = site.server(phones)
    await site.request(other_machine(1))
    await gathered(site, server)
    await site.database.operators.set_disabled("ana", NOW)
    await site.request(other_machine(2))
    await after(site, 60, server, server)
    assert phones.notes == []
    assert await site.database.push_devices.devices() == []


async def test_rights_that_were_lost_in_the_meantime_count(site: Site, phones: Phones) -> None:
    await site.person("ana")
    phones.answers["ana"] = [NotSent("answered 503")]
    server = site.server(phones)
    await site.request(other_machine(1))
    await gathered(site, server)
    await site.database.operators.set_rights("ana", Role.VIEWER, ())
    await after(site, 60, server)
    assert phones.notes == []
    assert server.counts.outcomes == {("push", "failed"): 1, ("push", "needless"): 1}


async def test_a_machine_that_needs_two_people_is_pushed_to_the_others_after_the_first_approval(
    site: Site, phones: Phones
) -> None:
    for name in ("ana", "ben"):
        await site.person(name, Wishes(known=False))
    await site.person("cleo", Wishes(known=False, second=False))
    server = site.server(phones)
    grant = await site.request(CONTROL_PLANE)
    await gathered(site, server)
    assert phones.notes == []
    assert isinstance(await site.decide.approve(grant.grant_id, ANA), DeviceGrant)
    await after(site, 1, server, server)
    [(name, note)] = phones.notes
    assert (name, note.title, note.tag) == ("ben", "fra production: cp-1", grant.grant_id)
    assert note.body == "Approved by ana; another person must approve. Expected, 10.20.0.11."
    assert isinstance(await site.decide.approve(grant.grant_id, BEN), DeviceGrant)
    await after(site, 1, server)
    assert len(phones.notes) == 1


async def test_a_request_that_is_decided_is_not_pushed(site: Site, phones: Phones) -> None:
    await site.person("ana")
    server = site.server(phones)
    grant = await site.request(other_machine(1))
    await settled(server)
    assert isinstance(await site.decide.approve(grant.grant_id, BEN), DeviceGrant)
    await after(site, QUIET, server)
    assert (phones.notes, server.counts.outcomes) == ([], {("push", "needless"): 1})


async def test_machines_from_before_push_was_turned_on_are_not_pushed(site: Site, phones: Phones) -> None:
    await site.request(other_machine(1))
    site.clock.advance(1)
    await site.person("ana")
    [device] = await site.database.push_devices.devices()
    await site.database.push_devices.put_device(replace(device, created_at=NOW + 1))
    await gathered(site, site.server(phones))
    assert phones.notes == []


async def test_a_rack_that_boots_is_a_few_messages_that_count_what_waits(site: Site, phones: Phones) -> None:
    await site.person("ana")
    site.entries.known += [worker(number) for number in range(3, 401)]
    server = site.server(phones)
    await site.request(CONTROL_PLANE)
    for number in range(1, 401):
        grant, _ = pending_grant(identity=other_machine(number), opened_at=site.clock.now())
        await site.database.grants.open_grant(grant._replace(expires_at=NOW + 900))
        if number % 5 == 0:
            await after(site, 1, server)
    await after(site, LONGEST + BETWEEN, server, server)
    notes = phones.of("ana")
    # 400 machines in 80 seconds.
    assert len(notes) <= 6
    assert {(note.link, note.tag) for note in notes} == {("/", "waiting")}
    assert notes[-1].title == "fra production: 401 machines are waiting"
    assert re.fullmatch(r"(worker-\d+, ){2}worker-\d+ and 398 more\.", notes[-1].body)


class CountedEntries(Entries):
    """Entries that count how often one is looked up."""

    looked_up = 0

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        self.looked_up += 1
        return await super().find_entry(identity)


async def test_many_phones_look_up_each_machine_once_in_a_step(phones: Phones) -> None:
    entries = CountedEntries()
    site = Site(entries=entries)
    for number in range(10):
        await site.person(f"ana-{number}")
    server = site.server(phones)
    for number in range(30):
        await site.request(other_machine(number))
    await after(site, 0, server)
    await after(site, QUIET, server)
    assert [note.title for _, note in phones.notes] == ["fra production: 30 machines are waiting"] * 10
    assert entries.looked_up == 30


async def test_of_several_servers_one_sends(site: Site, phones: Phones) -> None:
    for name in ("ana", "ben"):
        await site.person(name)
    servers = [site.server(phones) for _ in range(3)]
    grant = await site.request(CONTROL_PLANE)
    await gathered(site, *servers)
    assert sorted(name for name, _ in phones.notes) == ["ana", "ben"]
    await site.decide.approve(grant.grant_id, ANA)
    await after(site, 1, *servers)
    assert sorted(name for name, _ in phones.notes) == ["ana", "ben", "ben"]


async def test_a_push_that_does_not_arrive_is_sent_again_when_the_push_service_wants(
    site: Site, phones: Phones
) -> None:
    await site.person("ana")
    phones.answers["ana"] = [NotSent("push.example answered 503", after=120), NotSent("push.example answered 500")]
    server = site.server(phones)
    await site.request(other_machine(1))
    await gathered(site, server)
    [device] = await site.database.push_devices.devices()
    assert (device.failure, device.sent_at) == ("push.example answered 503", None)
    await after(site, 119, server)
    assert len(phones.answers["ana"]) == 1
    await after(site, 1, server)
    await after(site, 9, server)
    assert phones.notes == []
    await after(site, 1, server)
    [device] = await site.database.push_devices.devices()
    assert (len(phones.notes), device.sent_at) == (1, site.clock.now())


async def test_it_is_given_up_when_the_request_has_ended(site: Site, phones: Phones) -> None:
    await site.person("ana")
    phones.answers["ana"] = [NotSent("push.example answered 503")] * 50
    server = site.server(phones)
    await site.request(other_machine(1))
    await gathered(site, server)
    for _ in range(5):
        await after(site, 301, server)
    attempts = 50 - len(phones.answers["ana"])
    assert 1 < attempts < 5
    assert server.counts.outcomes["push", "needless"] == 1


async def test_a_refusal_for_good_is_not_repeated(site: Site, phones: Phones) -> None:
    await site.person("ana")
    phones.answers["ana"] = [NotSent("push.example answered 413", permanent=True)]
    server = site.server(phones)
    await site.request(other_machine(1))
    await gathered(site, server)
    await after(site, 301, server)
    assert (phones.notes, phones.answers["ana"]) == ([], [])
    assert len(await site.database.push_devices.devices()) == 1


async def test_a_subscription_that_has_expired_is_dropped(site: Site, phones: Phones) -> None:
    for name in ("ana", "ben"):
        await site.person(name)
    phones.answers["ana"] = [SubscriptionGone("gone", permanent=True)]
    await site.request(other_machine(1))
    await gathered(site, site.server(phones))
    assert [device.operator for device in await site.database.push_devices.devices()] == ["ben"]
    assert [name for name, _ in phones.notes] == ["ben"]


async def test_a_push_service_that_hangs_delays_no_other_push(site: Site, phones: Phones) -> None:
    for name in ("ana", "ben"):
        await site.person(name)
    phones.answers["ana"] = [asyncio.Event()]
    server = site.server(phones)
    await site.request(other_machine(1))
    await gathered(site, server)
    await after(site, BETWEEN)
    await site.request(other_machine(2))
    await gathered(site, server)
    assert [note.title for note in phones.of("ben")] == ["fra production: worker-1", "fra production: worker-2"]
    await server.stop()


async def test_nothing_is_read_while_nobody_has_turned_push_on(site: Site, phones: Phones) -> None:
    await site.request(other_machine(1))
    server = site.server(phones)
    await gathered(site, server)
    assert phones.notes == []
    assert await site.database.outbox.take(["push:ana-phone"], site.clock.now(), NOW + 999, 9) == []

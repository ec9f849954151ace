"""Push messages to the phones of people who may decide about a waiting machine, without delaying the machines.

New requests are read once a second and gathered for a moment, then one message per device is stored in the outbox, by
only one of several servers. Messages are sent from there until a push service accepts them, or none of their machines
is waiting any more. What a message says is made when it is sent, from what the person may decide about at that moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Right, is_within
from bootgrant.approval.policy import needed_approvals
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.notifications import NotSent, Outbox, Outgoing
from bootgrant.ports.people import Operator, OperatorStore
from bootgrant.ports.push import PushDevice, PushDeviceStore, PushNote, PushService, Subscription, SubscriptionGone
from bootgrant.ports.time import Clock, Entropy
from bootgrant.workflows.decide.grant_cards import GrantCards
from bootgrant.workflows.decide.push_notes import note_of_many, note_of_one
from bootgrant.workflows.record.new_requests import NewRequests
from bootgrant.workflows.record.notify_waiting import NoticeCounts
from bootgrant.workflows.record.sealed_subscriptions import SealedSubscriptions

log = logging.getLogger("bootgrant.push")

QUIET: Final = 2.0
"""Seconds without a new machine after which messages are sent."""

LONGEST: Final = 10.0
"""Seconds after the first new machine in which they are sent in any case."""

BETWEEN: Final = 20.0
"""Seconds between two messages about new machines, so that a rack that boots does not ring a phone all the time."""

_COUNTED: Final = "push"
_MOST: Final = 2000
_AT_ONCE: Final = 32
_LEASE: Final = 60.0
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
_KEPT: Final = 86400.0
_FORGET_EVERY: Final = 600.0


@dataclass(frozen=True, slots=True)
class _Reader:
    """A device, and the operator who has it."""

    device: PushDevice
    operator: Operator

    @property
    def new(self) -> str:
        """The name in the outbox for messages about new requests."""
        return f"push:{self.device.device_id}"

    @property
    def second(self) -> str:
        """The name in the outbox for messages about requests that need another person."""
        return f"push-second:{self.device.device_id}"

    def wants(self, grant: DeviceGrant, entry: MachineEntry | None) -> bool:
        """Return whether a new request concerns this person, on this device."""
        # The person was looking at the pages when they turned it on.
        is_new = grant.opened_at >= self.device.created_at
        return is_new and self._may_decide(grant, entry) and self.device.wishes.want(entry)

    def wants_second(self, grant: DeviceGrant, entry: MachineEntry | None) -> bool:
        """Return whether a request that others have approved needs this person."""
        return entry is not None and self._may_decide(grant, entry) and self.device.wishes.want_second(entry)

    def _may_decide(self, grant: DeviceGrant, entry: MachineEntry | None) -> bool:
        has_voted = any(vote.author.is_operator(self.operator.name) for vote in grant.votes)
        may = self.operator.role.has(Right.DECIDE) and is_within(self.operator.labels, entry.labels if entry else {})
        return may and not has_voted


@dataclass(slots=True)
class PushWaiting:
    """A chore that runs once a second. Nothing is read while nobody has turned push on."""

    store: GrantStore
    cards: GrantCards
    operators: OperatorStore
    devices: PushDeviceStore
    outbox: Outbox
    service: PushService
    sealed: SealedSubscriptions
    clock: Clock
    entropy: Entropy
    site_name: str
    counts: NoticeCounts = field(default_factory=NoticeCounts)
    _new: NewRequests = field(init=False)
    _for_two: set[str] = field(default_factory=set)
    _entries: dict[str, MachineEntry | None] = field(default_factory=dict)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)
    _next_at: float = 0.0
    _forget_at: float = 0.0

    def __post_init__(self) -> None:
        self._new = NewRequests(self.store, self.clock, QUIET, LONGEST)

    async def step(self) -> None:
        """Read new requests and votes, store messages that are due, start to send them. Raises StoreUnavailable."""
        self._entries.clear()
        readers = await self._readers()
        if not readers:
            return
        await self._new.read()
        steady = self.clock.steady()
        if self._new.are_ripe and steady >= self._next_at:
            await self._enqueue_new(readers, list(self._new.grants.values()))
            self._new.clear()
            self._next_at = steady + BETWEEN
        await self._read_votes(readers)
        await self._start_sending(readers)
        if steady >= self._forget_at:
            await self.outbox.forget(self.clock.now() - _KEPT)
            self._forget_at = steady + _FORGET_EVERY

    async def stop(self) -> None:
        """Cancel sending. Interrupted messages are sent by the server that takes them after their lease."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _readers(self) -> Sequence[_Reader]:
        devices = await self.devices.devices()
        if not devices:
            return []
        operators = {each.name: each for each in await self.operators.operators() if each.disabled_at is None}
        return [_Reader(each, operators[each.operator]) for each in devices if each.operator in operators]

    async def _enqueue_new(self, readers: Sequence[_Reader], grants: Sequence[DeviceGrant]) -> None:
        entries = [(grant, await self._entry(grant)) for grant in grants]
        self._for_two |= {grant.grant_id for grant, entry in entries if entry and needed_approvals(entry) > 1}
        for reader in readers:
            wanted = tuple(grant.grant_id for grant, entry in entries if reader.wants(grant, entry))
            await self._enqueue(reader.new, wanted)

    async def _read_votes(self, readers: Sequence[_Reader]) -> None:
        """Store messages about requests that others have approved. One server does, because a target hears of a request
        only once."""
        now = self.clock.now()
        for grant_id in sorted(self._for_two):
            grant = await self.store.find_grant(grant_id)
            if grant is None or grant.state_at(now) is not GrantState.PENDING:
                self._for_two.discard(grant_id)
            elif grant.votes:
                entry = await self._entry(grant)
                for reader in readers:
                    if reader.wants_second(grant, entry):
                        await self._enqueue(reader.second, (grant_id,))
                self._for_two.discard(grant_id)

    async def _enqueue(self, target: str, grant_ids: tuple[str, ...]) -> None:
        if grant_ids:
            message_id = f"push_{self.entropy.random_bytes(12).hex()}"
            await self.outbox.enqueue(Outgoing(message_id, target, grant_ids, self.clock.now()))

    async def _entry(self, grant: DeviceGrant) -> MachineEntry | None:
        """Return the entry of a machine, which is looked up once in each step, however many devices there are."""
        if grant.grant_id not in self._entries:
            try:
                found = await self.cards.find_entry(grant.identity)
            except ConfigUnavailable:
                return None
            self._entries[grant.grant_id] = found.entry if found else None
        return self._entries[grant.grant_id]

    async def _start_sending(self, readers: Sequence[_Reader]) -> None:
        room = _AT_ONCE - len(self._sending)
        if room <= 0:
            return
        now = self.clock.now()
        targets = {target: reader for reader in readers for target in (reader.new, reader.second)}
        for message in await self.outbox.take(list(targets), now, now + _LEASE, room):
            task = asyncio.create_task(self._send(message, targets[message.target]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, message: Outgoing, reader: _Reader) -> None:
        """Make one attempt. Failures are logged here, because nothing awaits the task."""
        try:
            note = await self._note(message, reader)
            if note is None:
                self.counts.outcomes[_COUNTED, "needless"] += 1
                await self.outbox.done(message.message_id)
                return
            await self._attempt(message, reader, note)
        except Exception:
            # It is tried again when the lease ends.
            log.exception("push message %s could not be sent", message.message_id)

    async def _note(self, message: Outgoing, reader: _Reader) -> PushNote | None:
        """Return the note as of now; None when no machine is waiting any more about which the person may decide."""
        now, is_second = self.clock.now(), message.target == reader.second
        found = await asyncio.gather(*(self.store.find_grant(grant_id) for grant_id in message.grant_ids))
        waiting = [grant for grant in found if grant and grant.state_at(now) is GrantState.PENDING]
        wants = reader.wants_second if is_second else reader.wants
        concerned = [grant for grant in waiting if wants(grant, await self._entry(grant))]
        if not concerned:
            return None
        if len(concerned) == 1:
            return note_of_one(self.site_name, await self.cards.with_evidence(concerned[0]), now)
        # It replaces the last note about several machines, so it counts all that are waiting.
        pending = [(grant, await self._entry(grant)) for grant in await self.store.pending_grants(now, _MOST)]
        entries = [entry for grant, entry in pending if wants(grant, entry)]
        ends = max(grant.expires_at for grant in concerned)
        return note_of_many(self.site_name, entries, max(1, int(ends - now)))

    def _subscription(self, device: PushDevice) -> Subscription:
        subscription = self.sealed.unseal(device)
        if subscription is None:
            raise SubscriptionGone("it was turned on with another code key", permanent=True)
        return subscription

    async def _attempt(self, message: Outgoing, reader: _Reader, note: PushNote) -> None:
        device, now = reader.device, self.clock.now()
        who = f"{device.operator!r} at {device.service}"
        try:
            await self.service.send(self._subscription(device), note)
        except SubscriptionGone as error:
            self.counts.outcomes[_COUNTED, "failed"] += 1
            log.info("a device of %s gets no more push messages: %s", who, error)
            await self.devices.remove_device(device.operator, device.device_id)
            await self.outbox.done(message.message_id)
        except NotSent as error:
            self.counts.outcomes[_COUNTED, "failed"] += 1
            await self.devices.note_failed(device.device_id, now, str(error))
            if error.permanent:
                log.error("no push message to %s: %s", who, error)  # noqa: TRY400
                await self.outbox.done(message.message_id)
                return
            pause = max(error.after, min(_FIRST_PAUSE * 2 ** (message.attempts - 1), _LONGEST_PAUSE))
            log.warning("no push message to %s yet, next attempt in %.0f s: %s", who, pause, error)
            await self.outbox.postpone(message.message_id, now + pause)
        else:
            self.counts.outcomes[_COUNTED, "sent"] += 1
            await self.devices.note_sent(device.device_id, now)
            await self.outbox.done(message.message_id)

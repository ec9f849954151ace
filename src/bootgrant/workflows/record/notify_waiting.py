"""Notify people of waiting machines, without delaying the machines.

New requests are read once a second and gathered until no more come; then one message per target that wants them is
stored in the outbox, by only one of several servers. Messages are sent from there, again and again until they arrive or
none of their machines is waiting any more, so a restart loses none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.policy import Selector
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.notifications import Messenger, Notice, NoticeMachine, NotSent, Outbox, Outgoing, Topic
from bootgrant.ports.time import Clock, Entropy
from bootgrant.workflows.record.approvals import undelivered_approval
from bootgrant.workflows.record.new_requests import NewRequests

log = logging.getLogger("bootgrant.notify")

QUIET: Final = 4.0
"""Seconds without a new machine after which people are notified."""

LONGEST: Final = 30.0
"""Seconds after the first new machine in which people are notified in any case."""

SHOWN: Final = 10
"""Machines that a message names; of the others it gives the number."""

_AT_ONCE: Final = 16
_LEASE: Final = 60.0
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
_KEPT: Final = 86400.0
_FORGET_EVERY: Final = 600.0
_TEXT: Final = 80
_SENTENCE: Final = 400


@dataclass(frozen=True, slots=True)
class Target:
    """Who is notified of which machines: those whose entry matches a selector, or without selectors all of them."""

    name: str
    messenger: Messenger
    wording: Callable[[Notice], str]
    selectors: tuple[Selector, ...] = ()


@dataclass(slots=True)
class NoticeCounts:
    """Attempts to send by (target, outcome): sent, failed, needless (no machine was waiting any more)."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class NotifyWaiting:
    """A chore that runs once a second. ``link`` is the address of the pages."""

    store: GrantStore
    source: ConfigSource
    outbox: Outbox
    clock: Clock
    entropy: Entropy
    link: str
    targets: Sequence[Target]
    counts: NoticeCounts = field(default_factory=NoticeCounts)
    _new: NewRequests = field(init=False)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)
    _forget_at: float = 0.0

    def __post_init__(self) -> None:
        self._new = NewRequests(self.store, self.clock, QUIET, LONGEST)

    async def step(self) -> None:
        """Read new machines, store ripe messages, start to send those that are due. Raises StoreUnavailable."""
        if not self.targets:
            return
        await self._new.read()
        if self._new.are_ripe:
            await self._enqueue(list(self._new.grants.values()))
            self._new.clear()
        await self._start_sending()
        if self.clock.steady() >= self._forget_at:
            await self.outbox.forget(self.clock.now() - _KEPT)
            self._forget_at = self.clock.steady() + _FORGET_EVERY

    async def report_elsewhere(self, grant: DeviceGrant) -> None:
        """Store a message about a token that was used at another address. Raises StoreUnavailable."""
        try:
            entry = await self.source.named_entry(grant.entry)
        except ConfigUnavailable:
            entry = None
        for target in self.targets:
            # Without the entry nobody knows whose machine it is: then everyone is notified.
            if entry is None or _wants(target, entry):
                message_id, now = f"msg_{self.entropy.random_bytes(12).hex()}", self.clock.now()
                await self.outbox.enqueue(
                    Outgoing(message_id, target.name, (grant.grant_id,), now, topic=Topic.ELSEWHERE)
                )

    async def stop(self) -> None:
        """Cancel sending. Interrupted messages are sent by the server that takes them after their lease."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _enqueue(self, grants: Sequence[DeviceGrant]) -> None:
        entries = {grant.grant_id: await self._entry(grant) for grant in grants}
        for target in self.targets:
            wanted = tuple(grant_id for grant_id, entry in entries.items() if _wants(target, entry))
            if wanted:
                message_id = f"msg_{self.entropy.random_bytes(12).hex()}"
                await self.outbox.enqueue(Outgoing(message_id, target.name, wanted, self.clock.now()))

    async def _entry(self, grant: DeviceGrant) -> MachineEntry | None:
        try:
            return await self.source.find_entry(grant.identity)
        except ConfigUnavailable:
            return None

    async def _start_sending(self) -> None:
        room = _AT_ONCE - len(self._sending)
        if room <= 0:
            return
        now, targets = self.clock.now(), {target.name: target for target in self.targets}
        for message in await self.outbox.take(list(targets), now, now + _LEASE, room):
            task = asyncio.create_task(self._send(message, targets[message.target]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, message: Outgoing, target: Target) -> None:
        """Make one attempt. Failures are logged here, because nothing awaits the task."""
        try:
            notice = await self._notice(message)
            if notice is None:
                self.counts.outcomes[target.name, "needless"] += 1
                await self.outbox.done(message.message_id)
                return
            await self._attempt(message, target, notice)
        except Exception:
            # It is tried again when the lease ends.
            log.exception("notification %s could not be sent to %s", message.message_id, target.name)

    async def _attempt(self, message: Outgoing, target: Target, notice: Notice) -> None:
        try:
            await target.messenger.send(notice, target.wording(notice))
        except NotSent as error:
            self.counts.outcomes[target.name, "failed"] += 1
            if error.permanent:
                log.error("%s was not notified, giving up: %s", target.name, error)  # noqa: TRY400
                await self.outbox.done(message.message_id)
                return
            pause = max(error.after, min(_FIRST_PAUSE * 2 ** (message.attempts - 1), _LONGEST_PAUSE))
            log.warning("%s was not notified, next attempt in %.0f s: %s", target.name, pause, error)
            await self.outbox.postpone(message.message_id, self.clock.now() + pause)
            return
        self.counts.outcomes[target.name, "sent"] += 1
        log.info("%s was notified of %d machines", target.name, notice.count)
        await self.outbox.done(message.message_id)

    async def _notice(self, message: Outgoing) -> Notice | None:
        """Return the notice as of now; None when none of the machines is waiting any more."""
        now = self.clock.now()
        found = await asyncio.gather(*(self.store.find_grant(grant_id) for grant_id in message.grant_ids))
        if message.topic is Topic.ELSEWHERE:
            return await self._elsewhere(message, found[0], now)
        waiting = [grant for grant in found if grant and grant.state_at(now) is GrantState.PENDING]
        if not waiting:
            return None
        machines = [await self._machine(grant) for grant in waiting[:SHOWN]]
        link = machines[0].link if len(waiting) == 1 else f"{self.link}/"
        return Notice(message.message_id, now, link, len(waiting), tuple(machines))

    async def _elsewhere(self, message: Outgoing, grant: DeviceGrant | None, now: float) -> Notice | None:
        # The use that it was stored for; there may be newer ones.
        uses = [use for use in grant.elsewhere if use.at <= message.created_at] if grant else []
        if grant is None or not uses:
            return None
        machine, use = await self._machine(grant), uses[-1]
        machine = replace(machine, entry=plain(grant.entry), used_at=use.address, refused=use.refused)
        return Notice(message.message_id, now, machine.link, 1, (machine,), topic=message.topic)

    async def _machine(self, grant: DeviceGrant) -> NoticeMachine:
        entry = await self._entry(grant)
        before = await undelivered_approval(self.store, grant, self.clock.now())
        return NoticeMachine(
            identity={name: plain(value) for name, value in grant.identity.given().items()},
            address=grant.source_address,
            entry=plain(entry.name) if entry else "",
            labels={plain(key): plain(value) for key, value in entry.labels.items()} if entry else {},
            asked_at=grant.opened_at,
            link=f"{self.link}/requests/{grant.grant_id}",
            by_pattern=entry is not None and not entry.exact,
            undelivered=plain(before.message, _SENTENCE) if before else "",
        )


def plain(text: str, most: int = _TEXT) -> str:
    """Return a machine's text as short printable ASCII, the only form in which it reaches a chat or an email."""
    escaped = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)
    return escaped if len(escaped) <= most else f"{escaped[:most]}..."


def plain_text(notice: Notice) -> str:
    """Return the notice as plain text: which machines are waiting, and where to decide."""
    if notice.is_test:
        return f"This is a test message from bootgrant. No machine is waiting.\n{notice.link}"
    if notice.topic is Topic.ELSEWHERE:
        return _elsewhere_text(notice)
    waiting = "A machine is waiting" if notice.count == 1 else f"{notice.count} machines are waiting"
    lines = [f"{waiting} for a decision.", *(f"- {machine.line}" for machine in notice.machines)]
    if notice.more:
        lines.append(f"- and {notice.more} more")
    return "\n".join([*lines, f"Sign in to decide: {notice.link}"])


def _elsewhere_text(notice: Notice) -> str:
    machine = notice.machines[0]
    identity = " ".join(f"{name}={value}" for name, value in machine.identity.items())
    done = "It was refused there." if machine.refused else f"The configuration of {machine.entry} was sent there."
    advice = (
        "If the machine has no second address, another computer has its token: revoke the approval, and if the "
        "configuration was sent, change the secrets in it."
    )
    where = f"The token of a machine was used at {machine.used_at}, but {machine.address} asked for it."
    return "\n".join([where, f"- {identity}, {machine.entry}", done, advice, f"Sign in to look: {notice.link}"])


def _wants(target: Target, entry: MachineEntry | None) -> bool:
    return not target.selectors or (entry is not None and any(one.matches(entry) for one in target.selectors))


async def send_test(target: Target, link: str, now: float, message_id: str) -> None:
    """Send a test message to a target. Raises NotSent."""
    notice = Notice(message_id, now, f"{link}/", 0, is_test=True)
    await target.messenger.send(notice, target.wording(notice))

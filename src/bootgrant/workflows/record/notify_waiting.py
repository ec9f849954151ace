"""People are told that machines wait. It happens beside the machines, never in their way.

New machines are looked for once a second, gathered until no more come, and kept as one message for each target that
wants them; the store sees to it that of several servers one does. Messages are sent from there, again and again until
they arrive or nobody waits any more: a restart loses none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.approval.grant import DeviceGrant, GrantState
from bootgrant.approval.policy import Selector
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.notifications import Messenger, Notice, NoticeMachine, NotSent, Outbox, Outgoing
from bootgrant.ports.time import Clock, Entropy

log = logging.getLogger("bootgrant.notify")

QUIET: Final = 4.0
"""Seconds without a new machine after which those that came are told of."""

LONGEST: Final = 30.0
"""Seconds after which the first of them is told of in any case."""

SHOWN: Final = 10
"""Machines that a message names; the others are a number."""

_MOST: Final = 2000
_AT_ONCE: Final = 16
_LEASE: Final = 60.0
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
_LOOK_BACK: Final = 120.0
_KEPT: Final = 86400.0
_FORGET_EVERY: Final = 600.0
_PRUNE_EVERY: Final = 60.0
_TEXT: Final = 80


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to tell, of which machines: those whose entry is one of the ``selectors``; without any, all of them."""

    name: str
    messenger: Messenger
    wording: Callable[[Notice], str]
    selectors: tuple[Selector, ...] = ()


@dataclass(slots=True)
class NoticeCounts:
    """Attempts to send by (target, outcome): sent, failed, needless (no machine was waiting any more)."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class _Gathering:
    """Machines that came and nobody was told of yet; since when, and when the last one came (steady seconds)."""

    grants: dict[str, DeviceGrant] = field(default_factory=dict)
    since: float = 0.0
    last: float = 0.0

    def is_ripe(self, now: float) -> bool:
        return bool(self.grants) and (now - self.last >= QUIET or now - self.since >= LONGEST)


class NotifyWaiting:
    """``link`` is where people reach the pages. ``step`` is called once a second for as long as the server runs."""

    def __init__(
        self,
        store: GrantStore,
        source: ConfigSource,
        outbox: Outbox,
        clock: Clock,
        entropy: Entropy,
        link: str,
        targets: Sequence[Target],
    ) -> None:
        self._store = store
        self._source = source
        self._outbox = outbox
        self._clock = clock
        self._entropy = entropy
        self._link = link
        self._targets: Mapping[str, Target] = {target.name: target for target in targets}
        self._seen: dict[str, float] = {}
        self._gathering = _Gathering()
        self._sending: set[asyncio.Task[None]] = set()
        self._looked_since = 0.0
        self._forget_at = 0.0
        self._prune_at = 0.0
        self.counts = NoticeCounts()

    async def step(self) -> None:
        """Look for new machines, keep what is ripe, begin to send what is due. Raises StoreUnavailable."""
        if not self._targets:
            return
        await self._look()
        if self._gathering.is_ripe(self._clock.steady()):
            gathered, self._gathering = self._gathering, _Gathering()
            try:
                await self._keep(list(gathered.grants.values()))
            except BaseException:
                self._gathering = gathered
                raise
        await self._begin()
        if self._clock.steady() >= self._forget_at:
            await self._outbox.forget(self._clock.now() - _KEPT)
            self._forget_at = self._clock.steady() + _FORGET_EVERY

    async def settle(self) -> None:
        """Returns when everything that is being sent has been sent, or has failed."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def stop(self) -> None:
        """Send no more: what was on its way is sent by whoever takes it after its lease."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _look(self) -> None:
        now, steady = self._clock.now(), self._clock.steady()
        if steady >= self._prune_at:
            self._seen = {grant_id: ends for grant_id, ends in self._seen.items() if ends > now}
            self._prune_at = steady + _PRUNE_EVERY
        # Other servers' clocks are not ours, and their rows appear when they are committed: look back a little.
        found = await self._store.pending_since(self._looked_since, now, _MOST)
        self._looked_since = now - _LOOK_BACK
        # In a flood the others are found again once these have been told of.
        room = _MOST - len(self._gathering.grants)
        new = [grant for grant in found if grant.grant_id not in self._seen][:room]
        if not new:
            return
        if not self._gathering.grants:
            self._gathering.since = steady
        self._gathering.last = steady
        for grant in reversed(new):
            self._seen[grant.grant_id] = grant.expires_at
            self._gathering.grants[grant.grant_id] = grant

    async def _keep(self, grants: Sequence[DeviceGrant]) -> None:
        entries = {grant.grant_id: await self._entry(grant) for grant in grants}
        for target in self._targets.values():
            wanted = tuple(grant_id for grant_id, entry in entries.items() if _concerns(target, entry))
            if wanted:
                message_id = f"msg_{self._entropy.random_bytes(12).hex()}"
                await self._outbox.enqueue(Outgoing(message_id, target.name, wanted, self._clock.now()))

    async def _entry(self, grant: DeviceGrant) -> MachineEntry | None:
        try:
            return await self._source.find_entry(grant.identity)
        except ConfigUnavailable:
            return None

    async def _begin(self) -> None:
        room = _AT_ONCE - len(self._sending)
        if room <= 0:
            return
        now = self._clock.now()
        for message in await self._outbox.take(list(self._targets), now, now + _LEASE, room):
            task = asyncio.create_task(self._send(message, self._targets[message.target]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, message: Outgoing, target: Target) -> None:
        """One attempt. Its failures are told here: nobody waits for it."""
        try:
            notice = await self._notice(message)
            if notice is None:
                self.counts.outcomes[target.name, "needless"] += 1
                await self._outbox.done(message.message_id)
                return
            await self._attempt(message, target, notice)
        except Exception:
            # The lease ends, and it is tried again.
            log.exception("the notification %s was not sent to %s", message.message_id, target.name)

    async def _attempt(self, message: Outgoing, target: Target, notice: Notice) -> None:
        try:
            await target.messenger.send(notice, target.wording(notice))
        except NotSent as error:
            self.counts.outcomes[target.name, "failed"] += 1
            if error.permanent:
                log.error("%s was not told that machines wait, and will not be: %s", target.name, error)  # noqa: TRY400
                await self._outbox.done(message.message_id)
                return
            pause = max(error.after, min(_FIRST_PAUSE * 2 ** (message.attempts - 1), _LONGEST_PAUSE))
            log.warning("%s was not told that machines wait: %s; again in %.0f s", target.name, error, pause)
            await self._outbox.postpone(message.message_id, self._clock.now() + pause)
            return
        self.counts.outcomes[target.name, "sent"] += 1
        log.info("%s was told of %d machines", target.name, notice.count)
        await self._outbox.done(message.message_id)

    async def _notice(self, message: Outgoing) -> Notice | None:
        """What there is to say now; None when nobody of them waits any more."""
        now = self._clock.now()
        found = await asyncio.gather(*(self._store.find_grant(grant_id) for grant_id in message.grant_ids))
        waiting = [grant for grant in found if grant and grant.state_at(now) is GrantState.PENDING]
        if not waiting:
            return None
        machines = [await self._machine(grant) for grant in waiting[:SHOWN]]
        link = machines[0].link if len(waiting) == 1 else f"{self._link}/"
        return Notice(message.message_id, now, link, len(waiting), tuple(machines))

    async def _machine(self, grant: DeviceGrant) -> NoticeMachine:
        entry = await self._entry(grant)
        return NoticeMachine(
            identity={name: plain(value) for name, value in grant.identity.given().items()},
            address=grant.source_address,
            entry=plain(entry.name) if entry else "",
            labels={plain(key): plain(value) for key, value in entry.labels.items()} if entry else {},
            asked_at=grant.opened_at,
            link=f"{self._link}/requests/{grant.grant_id}",
        )


def plain(text: str) -> str:
    """A stranger's text as short printable ASCII: nothing else in it reaches a chat or a mail."""
    seen = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)
    return seen if len(seen) <= _TEXT else f"{seen[:_TEXT]}..."


def in_words(notice: Notice) -> str:
    """The notice as plain text: what waits, and where to decide."""
    if notice.is_test:
        return f"This is a test of bootgrant's notifications. No machine waits.\n{notice.link}"
    waits = "A machine waits" if notice.count == 1 else f"{notice.count} machines wait"
    lines = [f"{waits} for a decision.", *(f"- {machine.line}" for machine in notice.machines)]
    if notice.more:
        lines.append(f"- and {notice.more} more")
    return "\n".join([*lines, f"Sign in and look: {notice.link}"])


def _concerns(target: Target, entry: MachineEntry | None) -> bool:
    return not target.selectors or (entry is not None and any(one.matches(entry) for one in target.selectors))


async def send_test(target: Target, link: str, now: float, message_id: str) -> None:
    """Send a test to one target. Raises NotSent."""
    notice = Notice(message_id, now, f"{link}/", 0, is_test=True)
    await target.messenger.send(notice, target.wording(notice))

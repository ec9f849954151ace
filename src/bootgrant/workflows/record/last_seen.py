"""Keeps what this server has seen of its database outside it, and notices a database that is older than that.

The file is written after a commit, so it may be behind the database, after a crash for example, but never ahead of it.
A commit that takes rights away is answered only after the file has it; everything else follows within a second.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from bootgrant.approval.epoch import Lost, Seen, lost_from
from bootgrant.ports.epochs import EpochStore, SeenFile, SeenUnreadable
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.time import Clock

log = logging.getLogger("bootgrant.record")

EVERY: Final = 1.0
"""Seconds between two looks at the end of the audit."""


@dataclass(slots=True)
class LastSeen:
    """For one event loop. ``lost`` is what the database lacks; None while it lacks nothing."""

    store: EpochStore
    file: SeenFile
    clock: Clock
    lost: Lost | None = None
    seen: Seen = field(default_factory=Seen)
    _asked: int = 0
    _done: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _is_begun: bool = False
    _is_new: bool = True

    async def begin(self) -> None:
        """Read the file and compare the database with it; a site without a file gets one. Raises StoreUnavailable."""
        found: Seen | None
        try:
            found = await asyncio.to_thread(self.file.read)
        except SeenUnreadable as error:
            log.error("%s: an admin has to accept the database as it is", error)  # noqa: TRY400
            found = Seen(marked_at=self.clock.now())
            with suppress(OSError):
                # Otherwise the next start would mark it again, after it was accepted.
                await asyncio.to_thread(self.file.replace_unusable, found)
        self._is_begun = found is not None
        self.seen = found or Seen()
        try:
            await self.step()
        except OSError as error:
            log.error("what this server has seen could not be written: %s", error)  # noqa: TRY400

    async def after_taking_away(self) -> None:
        """Write what is new in the database. A failure is logged, and the chore tries again."""
        self._asked += 1
        ticket = self._asked
        try:
            async with self._turn:
                # One write may serve everybody who waited for its turn.
                if self._done >= ticket:
                    return
                asked = self._asked
                await self._advance()
                self._done = asked
        except (OSError, StoreUnavailable) as error:
            log.error("what this server has seen could not be written: %s", error)  # noqa: TRY400

    async def step(self) -> None:
        """The same as a chore. Raises OSError and StoreUnavailable."""
        async with self._turn:
            if self._is_new or await self.store.newest() != self.seen.head:
                await self._advance()
                self._is_new = False

    async def _advance(self) -> None:
        recorded = await self.store.recorded(self.seen)
        self.lost = lost_from(recorded, self.seen)
        if self.lost is not None:
            return
        if self._is_begun and (recorded.head, recorded.epoch) == (self.seen.head, self.seen.epoch):
            return
        kept = tuple(each for each in self.seen.taken if recorded.has(each.head))
        newest = kept[-1].head.seq if kept else 0
        if self.seen.marked_at is None and recorded.has(self.seen.head):
            # The file has all of them up to its head. The last one may be long ago, with many records in between.
            newest = max(newest, self.seen.head.seq)
        before = replace(self.seen, epoch=recorded.epoch, taken=kept, marked_at=None)
        after = before.after(recorded.head, await self.store.taken_since(newest), self.clock.now())
        await asyncio.to_thread(self.file.write, after)
        self.seen, self._is_begun = after, True

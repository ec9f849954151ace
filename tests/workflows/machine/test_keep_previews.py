"""Previews are kept after a delivery: of exactly what was delivered, or with the reason why there is none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.ports.deliveries import LastDelivery, NoPreview
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.machine.keep_previews import LONGEST, KeepPreviews
from support.entries import Entries
from support.grants import NOW
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
ONE = MachineIdentity(serial="SN1")


@dataclass(slots=True)
class Shown(Entries):
    """Configurations with a preview; ``problem`` is raised instead."""

    text: str = "machine: {token: <redacted>}\n"
    problem: Exception | None = None
    shown_to: list[MachineIdentity | None] = field(default_factory=list)

    async def preview(
        self, name: str, identity: MachineIdentity | None, *, reveal: bool = False, plain: bool = False
    ) -> str | None:
        if self.problem is not None:
            raise self.problem
        assert plain
        assert not reveal
        self.shown_to.append(identity)
        return self.text if await self.named_entry(name) else None


class Site:
    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.source = Shown([MachineEntry("worker-1", "serial", revision="r1")])
        self.keep = KeepPreviews(self.database.deliveries, self.source)

    async def deliver(self, entry: str = "worker-1", digest: str = "", made: str = "", revision: str = "r1") -> None:
        rendered = Rendered(self.source.known[0], b"version: v1alpha1\n", "file")
        details: dict[str, str | int] = {"made_at_delivery": made} if made else {}
        event = AuditEvent(
            NOW, AuditKind.DELIVERED, identity=ONE, entry=entry, digest=digest or rendered.sha256, revision=revision,
            details=details,
        )  # fmt: skip
        await self.database.audit.append([event])

    async def kept(self, entry: str = "worker-1") -> str | NoPreview:
        await self.keep.step()
        last = await self.database.deliveries.last_delivery(entry)
        assert isinstance(last, LastDelivery)
        return await self.database.deliveries.preview_of(last)


async def test_the_preview_is_that_of_the_machine_that_got_it() -> None:
    site = Site()
    await site.deliver()
    assert await site.kept() == site.source.text
    assert site.source.shown_to == [ONE]


async def test_a_configuration_that_has_changed_since_is_not_kept() -> None:
    site = Site()
    await site.deliver(digest="0" * 64)
    assert await site.kept() is NoPreview.CHANGED


async def test_an_entry_that_is_gone_has_no_preview() -> None:
    site = Site()
    await site.deliver("gone")
    assert await site.kept("gone") is NoPreview.CHANGED


@pytest.mark.parametrize(("revision", "kept"), [("r1", "machine: {token: <redacted>}\n"), ("r0", NoPreview.CHANGED)])
async def test_with_values_made_at_delivery_the_revision_decides(revision: str, kept: str | NoPreview) -> None:
    site = Site()
    await site.deliver(digest="0" * 64, made="join_key", revision=revision)
    assert await site.kept() == kept


@pytest.mark.parametrize("problem", [ConfigUnavailable("it is broken", "broken"), RuntimeError("a fault")])
async def test_a_preview_that_cannot_be_made_is_recorded_as_absent(problem: Exception) -> None:
    site = Site()
    site.source.problem = problem
    await site.deliver()
    assert await site.kept() is NoPreview.FAILED
    assert await site.database.deliveries.without_preview(5) == []


async def test_a_preview_that_is_too_large_is_not_kept() -> None:
    site = Site()
    site.source.text = "x" * (LONGEST + 1)
    await site.deliver()
    assert await site.kept() is NoPreview.LARGE


async def test_a_delivery_wakes_the_chore() -> None:
    site = Site()
    waiting = asyncio.create_task(site.keep.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    site.keep.recorded()
    await asyncio.wait_for(waiting, 5)


async def test_a_long_list_is_continued_at_once() -> None:
    site = Site()
    site.source.known = [MachineEntry(f"worker-{number}", "serial") for number in range(25)]
    for number in range(25):
        await site.deliver(f"worker-{number}")
    await site.keep.step()
    await asyncio.wait_for(site.keep.wait(), 5)
    await site.keep.step()
    assert await site.database.deliveries.without_preview(5) == []

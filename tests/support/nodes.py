"""Nodes in front of a server that is killed: each asks, is approved, gets its configuration, and boots again."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bootgrant.fleet.behaviour import Paths, behaviour
from bootgrant.fleet.exchange import Address, ExchangeFailed, exchange
from bootgrant.fleet.machine import SimulatedMachine, World
from bootgrant.fleet.observations import Observations
from bootgrant.fleet.scenario import Kind, Run, SimulatedIdentity
from support.ledger import config_of
from support.site import Served
from support.storm import address_of, is_repeated, post_json

_PATHS = Paths("x", "/device/code", "/token", "/config?uuid=${uuid}", "talos")
_LIMIT = 600.0
_PAUSE = 0.1


@dataclass(slots=True)
class Count:
    """``lost``: codes that a node threw away after it had shown them. ``failures``: what ended flows, by reason."""

    shown: int = 0
    delivered: int = 0
    lost: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Nodes:
    """``count`` nodes of one kind. A person approves each code after at most ``after`` seconds.

    The ``seed`` makes a run repeatable.
    """

    def __init__(self, seed: int, site: Served, kind: Kind = Kind.TALOS, count: int = 36, after: float = 2.0) -> None:
        self.dice = random.Random(seed)
        self.count = Count()
        self._kind = kind
        self._run = Run(f"{self.dice.getrandbits(32):08x}")
        self._nodes = [self._run.identity(index) for index in range(count)]
        self._after = after
        self._address = address_of(site.url)
        self._admin = Address(str(site.folder / "data/admin.sock"), 0)
        self._news = threading.Condition()
        self._boots = True
        self._approvals: set[asyncio.Task[None]] = set()
        for node in self._nodes:
            (site.machines / f"{node.uuid}.yaml").write_bytes(config_of(node.uuid))

    @contextmanager
    def booting(self, calm: float = 120.0) -> Iterator[Count]:
        """Run the nodes during the block. Then no node boots again, and each must finish within ``calm`` seconds."""
        thread = threading.Thread(target=lambda: asyncio.run(self._boot_all()), daemon=True)
        thread.start()
        try:
            yield self.count
        finally:
            self._boots = False
            thread.join(calm)
        assert not thread.is_alive(), f"some nodes have no configuration: {self.count}"

    def wait_for_more(self, events: int, seconds: float = 60.0) -> None:
        """Return when ``events`` more codes were shown or configurations delivered."""
        with self._news:
            until = self._events() + events
            assert self._news.wait_for(lambda: self._events() >= until, seconds), self.count

    def _events(self) -> int:
        return self.count.shown + self.count.delivered

    async def _boot_all(self) -> None:
        await asyncio.gather(*(self._boot_again_and_again(node) for node in self._nodes))

    async def _boot_again_and_again(self, node: SimulatedIdentity) -> None:
        while self._boots:
            observations = Observations(node.index + 1)
            world = World(
                self._address,
                observations,
                lambda _index, code: self._shown(code),
                lambda identity, body: "" if body == config_of(identity.uuid) else "another machine's configuration",
                self.dice,
                time.monotonic(),
                _LIMIT,
            )
            await SimulatedMachine(world, node, behaviour(self._kind, _PATHS, node), "").boot(0.0)
            with self._news:
                self.count.delivered += 1
                self.count.lost += observations.journeys[node.index].codes - 1
                self.count.failures.update(observations.problems)
                self._news.notify_all()

    def _shown(self, user_code: str) -> None:
        with self._news:
            self.count.shown += 1
            self._news.notify_all()
        approval = asyncio.create_task(self._approve(user_code))
        self._approvals.add(approval)
        approval.add_done_callback(self._approvals.discard)

    async def _approve(self, user_code: str) -> None:
        await asyncio.sleep(self.dice.uniform(0.0, self._after))
        request = post_json("/api/v1/approve", {"code": user_code})
        while True:
            try:
                answer = await exchange(self._admin, request, time.monotonic() + 40.0)
            except ExchangeFailed:
                # The server died, perhaps after it had kept the approval: then the next answer is 409.
                await asyncio.sleep(_PAUSE)
                continue
            if answer.status == 200 or is_repeated(answer):
                return
            assert answer.status == 503, (answer.status, json.loads(answer.body))
            await asyncio.sleep(_PAUSE)

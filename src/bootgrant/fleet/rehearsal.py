"""Runs a rehearsal: machines arrive, people approve them, and the server delivers their configurations."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.fleet.behaviour import Paths, behaviour
from bootgrant.fleet.exchange import Address
from bootgrant.fleet.machine import CheckConfig, SimulatedMachine, World
from bootgrant.fleet.observations import NEVER, Observations, Progress
from bootgrant.fleet.scenario import Decisions, Run, Scenario, SimulatedIdentity, arrivals

_LAG_STEP: Final = 0.1


@dataclass(frozen=True, slots=True)
class ToApprove:
    """A machine to approve: the code on its screen, and the UUID that its request must have."""

    user_code: str
    uuid: str


Approve = Callable[[Sequence[ToApprove]], Awaitable[Mapping[str, str]]]
"""Approves machines together. Returns the reasons for those that were not approved, by user code."""


@dataclass(slots=True)
class People:
    """Approve every code that is shown. ``machines`` is the number of machines in the whole rehearsal."""

    decisions: Decisions
    approve: Approve
    observations: Observations
    machines: int
    _shown: asyncio.Queue[tuple[float, int, ToApprove]] = field(default_factory=asyncio.Queue)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def show(self, index: int, machine: ToApprove) -> None:
        """Add the code on the screen of machine ``index``."""
        self._shown.put_nowait((time.monotonic(), index, machine))

    async def decide(self, began: float) -> None:
        """Decide until cancelled. ``began`` is the start of the rehearsal on the monotonic clock."""
        size = self.decisions.batch or self.machines
        free_at = began
        try:
            while True:
                batch = await self._next_batch(size)
                due = max(batch[-1][0] + self.decisions.after, free_at)
                free_at = due + (len(batch) / self.decisions.rate if self.decisions.rate else 0.0)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                # Approvals run concurrently: a slow one does not delay the next.
                task = asyncio.create_task(self._approve(batch, began))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        finally:
            for task in self._running:
                task.cancel()

    async def _next_batch(self, size: int) -> list[tuple[float, int, ToApprove]]:
        """Return the next batch. A machine that has shown a new code counts once, with its last code."""
        batch: dict[int, tuple[float, int, ToApprove]] = {}
        while len(batch) < size:
            shown = await self._shown.get()
            batch.pop(shown[1], None)
            batch[shown[1]] = shown
        return list(batch.values())

    async def _approve(self, batch: Sequence[tuple[float, int, ToApprove]], began: float) -> None:
        approved_at = time.monotonic() - began
        for _, index, _machine in batch:
            self.observations.journeys[index].approved_at = approved_at
        refused = await self.approve([machine for _, _, machine in batch])
        self.observations.problems.update(f"not approved: {reason}" for reason in refused.values())


@dataclass(frozen=True, slots=True)
class Site:
    """The server under test. Machines connect from ``sources`` in turn, or from any address if it is empty."""

    address: Address
    paths: Paths
    sources: Sequence[str] = ()


@dataclass(slots=True)
class Load:
    """How hard the simulation itself had to work: seconds of CPU, and how late its timers were (seconds)."""

    cpu: float = 0.0
    latest: float = 0.0


@dataclass(slots=True)
class Rehearsed:
    """The measurements of a rehearsal. ``took`` is in seconds."""

    scenario: Scenario
    observations: Observations
    took: float
    load: Load


@dataclass(slots=True)
class Rehearsal:
    """One rehearsal, for a single run. With ``approve`` None, someone else decides."""

    site: Site
    scenario: Scenario
    run: Run
    check: CheckConfig
    approve: Approve | None
    observations: Observations = field(init=False)
    _load: Load = field(default_factory=Load)
    _began: float = 0.0
    _cpu: float = 0.0

    def __post_init__(self) -> None:
        self.observations = Observations(self.scenario.machines)

    async def go(self) -> Rehearsed:
        """Run until every machine has its configuration or the scenario's limit is reached."""
        self._cpu = time.process_time()
        self._began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(_watch_lag(self._load))]
            people = None
            if self.approve is not None:
                people = People(self.scenario.decisions, self.approve, self.observations, self.scenario.machines)
                background.append(group.create_task(people.decide(self._began)))
            try:
                async with asyncio.timeout(self.scenario.limit):
                    await self._run_machines(people)
            except TimeoutError:
                pass
            finally:
                for task in background:
                    task.cancel()
        return self.so_far()

    def so_far(self) -> Rehearsed:
        """Return the measurements until now, also after ``go`` was cancelled."""
        self._load.cpu = time.process_time() - self._cpu
        return Rehearsed(self.scenario, self.observations, time.monotonic() - self._began, self._load)

    def progress(self) -> Progress:
        journeys = self.observations.journeys
        return Progress(
            seconds=time.monotonic() - self._began,
            machines=len(journeys),
            booted=sum(journey.booted_at != NEVER for journey in journeys),
            shown=sum(journey.shown_at != NEVER for journey in journeys),
            approved=sum(journey.approved_at != NEVER for journey in journeys),
            delivered=sum(journey.config_at != NEVER for journey in journeys),
            requests=sum(len(requests.ended) for requests in self.observations.requests.values()),
            open=self.observations.open,
            problems=self.observations.problems.total(),
        )

    async def _run_machines(self, people: People | None) -> None:
        def show(index: int, user_code: str) -> None:
            if people is not None:
                people.show(index, ToApprove(user_code, self.run.identity(index).uuid))

        scenario = self.scenario
        dice = random.Random(scenario.seed)  # noqa: S311 - makes rehearsals repeatable, not a secret
        world = World(self.site.address, self.observations, show, self.check, dice, self._began, scenario.limit)
        sources = self.site.sources or ("",)
        async with asyncio.TaskGroup() as group:
            for index, moment in enumerate(arrivals(scenario.machines, scenario.arrive, scenario.curve, dice)):
                identity = self.run.identity(index)
                machine_behaviour = behaviour(scenario.kind, self.site.paths, identity)
                machine = SimulatedMachine(world, identity, machine_behaviour, sources[index % len(sources)])
                group.create_task(machine.boot(moment))


def holds_identity(identity: SimulatedIdentity, config: bytes) -> str:
    """Check that a configuration contains the machine's UUID, as those made for rehearsals do."""
    return "" if identity.uuid.encode() in config else "the configuration of another machine"


async def _watch_lag(load: Load) -> None:
    """Record how late timers are: an overloaded simulation measures itself instead of the server."""
    while True:
        due = time.monotonic() + _LAG_STEP
        await asyncio.sleep(_LAG_STEP)
        load.latest = max(load.latest, time.monotonic() - due)

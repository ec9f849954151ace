"""A rehearsal from its start to its report: machines come, people decide, configurations are delivered."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.fleet.arrivals import arrivals
from bootgrant.fleet.behaviour import Paths, behaviour
from bootgrant.fleet.exchange import Address
from bootgrant.fleet.identities import Run, SimulatedIdentity
from bootgrant.fleet.machine import CheckConfig, SimulatedMachine, World
from bootgrant.fleet.observations import NEVER, Observations, Progress
from bootgrant.fleet.people import Approve, People, ToApprove
from bootgrant.fleet.scenario import Scenario

_LAG_STEP: Final = 0.1


@dataclass(frozen=True, slots=True)
class Site:
    """The server under rehearsal. ``sources`` are the addresses that machines ask from, used in turn; may be empty."""

    address: Address
    paths: Paths
    sources: Sequence[str] = ()


@dataclass(slots=True)
class Load:
    """How hard the simulation itself had to work: seconds of CPU, and how late its timers were (seconds)."""

    cpu: float = 0.0
    latest: float = 0.0


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a rehearsal saw. ``took`` in seconds."""

    scenario: Scenario
    observations: Observations
    took: float
    load: Load


@dataclass(slots=True)
class Rehearsal:
    """One rehearsal, to be run once. ``approve`` None: somebody else decides."""

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
            beside = [group.create_task(_watch_lag(self._load))]
            people = self._people()
            if people is not None:
                beside.append(group.create_task(people.decide(self._began)))
            try:
                async with asyncio.timeout(self.scenario.limit):
                    await self._machines(people)
            except TimeoutError:
                pass
            finally:
                for task in beside:
                    task.cancel()
        return self.so_far()

    def so_far(self) -> Rehearsed:
        """What was seen until now; also after ``go`` was cancelled."""
        self._load.cpu = time.process_time() - self._cpu
        return Rehearsed(self.scenario, self.observations, time.monotonic() - self._began, self._load)

    def progress(self) -> Progress:
        """How far it is."""
        ways = self.observations.ways
        return Progress(
            seconds=time.monotonic() - self._began,
            machines=len(ways),
            booted=sum(way.booted_at != NEVER for way in ways),
            shown=sum(way.shown_at != NEVER for way in ways),
            approved=sum(way.approved_at != NEVER for way in ways),
            delivered=sum(way.config_at != NEVER for way in ways),
            requests=sum(len(seen.ended) for seen in self.observations.requests.values()),
            open=self.observations.open,
            troubles=self.observations.troubles.total(),
        )

    def _people(self) -> People | None:
        if self.approve is None:
            return None
        return People(self.scenario.decisions, self.approve, self.observations, self.scenario.machines)

    async def _machines(self, people: People | None) -> None:
        scenario = self.scenario
        dice = random.Random(scenario.seed)  # noqa: S311 - a rehearsal that can be repeated, not a secret
        world = World(
            address=self.site.address,
            observations=self.observations,
            shown=self._told(people),
            check=self.check,
            dice=dice,
            began=self._began,
            limit=scenario.limit,
        )
        sources = self.site.sources or ("",)
        async with asyncio.TaskGroup() as group:
            for index, moment in enumerate(arrivals(scenario.machines, scenario.arrive, scenario.curve, dice)):
                identity = self.run.identity(index)
                way = behaviour(scenario.kind, self.site.paths, identity)
                machine = SimulatedMachine(world, identity, way, sources[index % len(sources)])
                group.create_task(machine.boot(moment))

    def _told(self, people: People | None) -> Callable[[int, str], None]:
        def shown(index: int, user_code: str) -> None:
            if people is not None:
                people.show(index, ToApprove(user_code, self.run.identity(index).uuid))

        return shown


def holds_identity(identity: SimulatedIdentity, config: bytes) -> str:
    """Whether a configuration is the machine's own: it names the machine's UUID, as those made for rehearsals do."""
    return "" if identity.uuid.encode() in config else "the configuration of another machine"


async def _watch_lag(load: Load) -> None:
    """A simulation that is late measures itself: how late its timers are says whether to believe it."""
    while True:
        due = time.monotonic() + _LAG_STEP
        await asyncio.sleep(_LAG_STEP)
        load.latest = max(load.latest, time.monotonic() - due)

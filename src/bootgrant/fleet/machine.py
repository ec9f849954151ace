"""A simulated machine: from boot to its configuration, with the retries of a real machine."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from bootgrant.acquire.flow import values
from bootgrant.fleet.behaviour import Behaviour, Outcome
from bootgrant.fleet.exchange import Address, Answer, ExchangeFailed, exchange
from bootgrant.fleet.observations import Observations, Step
from bootgrant.fleet.scenario import SimulatedIdentity
from bootgrant.wire.device_flow import AccessToken, ErrorCode

_ATTEMPT: Final = 180.0
"""The time limit of one download, in seconds."""

CODES: Final = "codes"
PENDING: Final = str(ErrorCode.AUTHORIZATION_PENDING)
TOKEN: Final = "token"  # noqa: S105 - a word
CONFIG: Final = "configuration"
EXPECTED: Final = frozenset({CODES, PENDING, TOKEN, CONFIG})
"""The outcomes of requests when nothing goes wrong."""

CheckConfig = Callable[[SimulatedIdentity, bytes], str]
"""Returns what is wrong with the configuration that a machine received; empty if it is the right one."""


@dataclass(slots=True)
class World:
    """Shared by all machines of a rehearsal. ``show`` gets every code; ``began`` is on the monotonic clock."""

    address: Address
    observations: Observations
    show: Callable[[int, str], None]
    check: CheckConfig
    dice: random.Random
    began: float
    limit: float

    def since_start(self) -> float:
        return time.monotonic() - self.began


class SimulatedMachine:
    """Machine ``identity.index`` of a rehearsal. ``source`` is the address it connects from, empty for any."""

    def __init__(self, world: World, identity: SimulatedIdentity, behaviour: Behaviour, source: str) -> None:
        self._world = world
        self._identity = identity
        self._behaviour = behaviour
        self._source = source
        self._journey = world.observations.journeys[identity.index]

    async def boot(self, arrives: float) -> None:
        """Boot ``arrives`` seconds after the start, and return when the configuration has arrived."""
        await _sleep_until(self._world.began + arrives)
        self._journey.booted_at = self._world.since_start()
        failures = 0
        while True:
            token = await self._authorize()
            if token is not None and await self._download(token):
                self._journey.config_at = self._world.since_start()
                return
            failures += 1
            await asyncio.sleep(self._behaviour.restart_pause(failures, self._world.dice.random()))

    async def _authorize(self) -> AccessToken | None:
        """Run the device flow. Return the token, or None if the flow failed."""
        flow = self._behaviour.begin(time.monotonic(), self._world.limit)
        action = flow.action
        while not isinstance(action, values.Finished | values.Failed):
            event = await self._do(action)
            flow = flow.after(event, time.monotonic(), self._world.dice.random())
            action = flow.action
        if isinstance(action, values.Failed):
            self._world.observations.problems[f"a flow failed: {action.error.what}"] += 1
            return None
        self._journey.token_at = self._world.since_start()
        return action.token

    async def _do(self, action: values.RequestCodes | values.ShowCode | values.Wait | values.PollToken) -> values.Event:
        match action:
            case values.RequestCodes():
                request = self._behaviour.device_request()
                return await self._request(Step.CODES, request, action.give_up_at, self._behaviour.codes_event)
            case values.ShowCode():
                self._show(action.codes.user_code)
                return values.Shown()
            case values.Wait():
                await _sleep_until(action.until)
                return values.Waited()
            case values.PollToken():
                self._journey.polls += 1
                request = self._behaviour.token_request(action)
                return await self._request(Step.TOKEN, request, action.give_up_at, self._behaviour.token_event)
            case _:
                assert_never(action)

    def _show(self, user_code: str) -> None:
        journey = self._journey
        journey.codes += 1
        journey.user_code = user_code
        journey.shown_at = self._world.since_start()
        self._world.show(self._identity.index, user_code)

    async def _request(
        self, step: Step, request: bytes, give_up_at: float, read: Callable[[Outcome], values.Event]
    ) -> values.Event:
        outcome, took = await self._send(request, give_up_at)
        event = read(outcome)
        self._record(step, took, _label(event))
        return event

    async def _send(self, request: bytes, give_up_at: float) -> tuple[Outcome, float]:
        self._world.observations.begin()
        began = time.monotonic()
        outcome: Outcome
        try:
            outcome = await exchange(self._world.address, request, give_up_at, self._source)
        except ExchangeFailed as failure:
            outcome = failure
        except asyncio.CancelledError:
            self._world.observations.open -= 1
            raise
        return outcome, time.monotonic() - began

    def _record(self, step: Step, took: float, label: str) -> None:
        self._world.observations.end(step, self._world.since_start(), took, label)
        if label not in EXPECTED:
            self._world.observations.problems[f"{step}: {label}"] += 1

    async def _download(self, token: AccessToken) -> bool:
        """Download the configuration, with retries. Return False if the machine needs a new authorization."""
        request = self._behaviour.config_request(token)
        failures = 0
        while True:
            outcome, took = await self._send(request, time.monotonic() + _ATTEMPT)
            label = self._outcome(outcome)
            self._record(Step.CONFIG, took, label)
            if label == CONFIG:
                return True
            if isinstance(outcome, Answer) and outcome.status == 401 and self._behaviour.restarts_after_401:
                return False
            failures += 1
            await asyncio.sleep(self._behaviour.download_pause(failures, self._world.dice.random()))

    def _outcome(self, outcome: Outcome) -> str:
        if isinstance(outcome, ExchangeFailed):
            return str(outcome)
        if outcome.status != 200:
            message = outcome.body[:32].decode("ascii", "replace").strip()
            return f"status {outcome.status} ({message})"
        return self._world.check(self._identity, outcome.body) or CONFIG


def _label(event: values.Event) -> str:
    """Return a short label by which outcomes are counted."""
    match event:
        case values.CodesArrived():
            return CODES
        case values.TokenArrived():
            return TOKEN
        case values.Refused():
            return str(event.error.code)
        case values.Broken() | values.Hopeless():
            return event.error.what
        case values.Shown() | values.Waited():
            return "no request"
        case _:
            assert_never(event)


async def _sleep_until(moment: float) -> None:
    """Sleep until ``moment``, never less: timers have whole milliseconds and may fire a little early."""
    while (left := moment - time.monotonic()) > 0:  # noqa: ASYNC110 - a clock has no event
        await asyncio.sleep(left)

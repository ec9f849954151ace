"""Values that are made for one delivery: made when the machine fetches, and taken back when it never got them.

The program gets JSON on its standard input: ``grant`` (the request's id), ``entry``, ``variable`` and ``machine``. Its
value goes into that machine's configuration only. Until the grace period after the delivery is over, the machine can
fetch the same value again: the store has it sealed with the machine's own access token.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.machines.site.variables import Minting
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.minting import Minted, MintFailed, MintPrograms, MintStore
from bootgrant.ports.providers import Sealing
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret

log = logging.getLogger("bootgrant.machines")

_FAILED: Final = "value not made, see server log"
_BEING_MADE: Final = "value being made, retrying"
_STALE: Final = 60.0
"""Seconds after the time limit of programs until another server may make a value that one began to make."""
_FIRST_PAUSE: Final = 60.0
_LONGEST_PAUSE: Final = 3600.0
"""Seconds between attempts to take a value back: doubled from the first to the longest."""


@dataclass(frozen=True, slots=True)
class MintValues:
    """Makes the values of a delivery. ``limit`` is the time limit of a program in seconds."""

    store: MintStore
    programs: MintPrograms
    sealing: Sealing
    clock: Clock
    entropy: Entropy
    limit: float

    async def __call__(self, grant: DeviceGrant, token: Secret, wanted: Mapping[str, Minting]) -> Mapping[str, Secret]:
        """Return the value of each variable. Raises ConfigUnavailable and StoreUnavailable.

        A value that was made for this request before is returned again.
        """
        return {name: await self._value(grant, token, name, minting) for name, minting in wanted.items()}

    async def _value(self, grant: DeviceGrant, token: Secret, variable: str, minting: Minting) -> Secret:
        now = self.clock.now()
        attempt = self.entropy.random_bytes(8).hex()
        asked = Minted(grant.grant_id, variable, grant.entry, grant.identity, minting.unmint, attempt, now)
        stored = await self.store.begin(asked, now - self.limit - _STALE)
        if stored.sealed:
            return self._opened(token, stored)
        if stored.attempt != attempt:
            raise ConfigUnavailable(f"{variable} is being made for request {grant.grant_id}", _BEING_MADE)
        return await self._made(token, stored, minting)

    def _opened(self, token: Secret, stored: Minted) -> Secret:
        value = self.sealing.unseal(token, stored.sealed)
        if value is None:
            message = f"the value of {stored.variable} that was made for request {stored.grant_id} cannot be opened"
            raise ConfigUnavailable(f"{message}: revoke the request and approve the next one", _FAILED)
        return value

    async def _made(self, token: Secret, own: Minted, minting: Minting) -> Secret:
        try:
            value, program_id = await asyncio.to_thread(self.programs.mint, minting.mint, _given(own))
        except MintFailed as failed:
            await self.store.give_up(own)
            message = f"{own.entry}: no value was made for the variable {own.variable}: {failed}"
            raise ConfigUnavailable(message, _FAILED) from None
        made = replace(own, sealed=self.sealing.seal(token, value.reveal()), program_id=program_id)
        event = replace(
            _event(made, AuditKind.MINTED, self.clock.now()), digest=hashlib.sha256(value.reveal().encode()).hexdigest()
        )
        if not await self.store.finish(made, event):
            # It took so long that another server began again, or the request was revoked meanwhile.
            await self._not_needed(made)
            raise ConfigUnavailable(f"{own.variable} was made too late for request {own.grant_id}", _BEING_MADE)
        return value

    async def _not_needed(self, made: Minted) -> None:
        if made.unmint:
            try:
                await asyncio.to_thread(self.programs.unmint, made.unmint, _given(made))
            except MintFailed as failed:
                about = f"{made.entry}: a value of {made.variable} that no machine gets was not taken back"
                log.error("%s (%s): %s", about, made.program_id or "no id", failed)  # noqa: TRY400


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Takes back what was made for requests that were revoked, became void, or never got their configuration."""

    store: MintStore
    programs: MintPrograms
    clock: Clock
    rules: GrantRules
    limit: float

    async def step(self) -> None:
        """Do one round. Raises StoreUnavailable."""
        now = self.clock.now()
        await self.store.settle(now - self.rules.delivery_grace)
        for minted in await self.store.due(now):
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(minted.tries, 16))
            if await self.store.claim(minted, now, now + self.limit + pause):
                await self._take_back(minted)

    async def _take_back(self, minted: Minted) -> None:
        if not minted.unmint:
            await self.store.forget(minted)
            return
        try:
            await asyncio.to_thread(self.programs.unmint, minted.unmint, _given(minted))
        except MintFailed as failed:
            log.error(  # noqa: TRY400  (the reason is the message)
                "%s: the value of %s was not taken back, next attempt later: %s", minted.entry, minted.variable, failed,
                extra={"grant_id": minted.grant_id},
            )  # fmt: skip
            return
        await self.store.forget(minted, _event(minted, AuditKind.UNMINTED, self.clock.now()))


def _given(minted: Minted) -> bytes:
    """What a program reads on its standard input; ``id`` is the program's own, for ``unmint``."""
    given = {
        "grant": minted.grant_id,
        "entry": minted.entry,
        "variable": minted.variable,
        "machine": minted.machine.given(),
        "id": minted.program_id,
    }
    return json.dumps(given).encode() + b"\n"


def _event(minted: Minted, kind: AuditKind, at: float) -> AuditEvent:
    details = {"variable": minted.variable, **({"id": minted.program_id} if minted.program_id else {})}
    return AuditEvent(at, kind, grant_id=minted.grant_id, identity=minted.machine, entry=minted.entry, details=details)

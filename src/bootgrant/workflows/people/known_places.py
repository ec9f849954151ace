"""Browsers and addresses from which an operator has signed in before.

Strangers who guess at a name use up the attempts of strangers. Without attempts of their own, the person with the right
password would be refused together with them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.devices import ID_LENGTH, DeviceProofs
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.ports.people import Operator, OperatorStore
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull, address_key, name_key

KNOWN_FOR: Final = 90 * 86400.0
"""Seconds for which the address of a sign-in stays known."""

_SIGN_INS: Final = 100
_REMEMBERED: Final = 1000
_FRESH: Final = 60.0
_NAME_LENGTH: Final = 128


def _by_device() -> AttemptLimit:
    # Few: a thief of the cookie must not guess much faster than a stranger.
    return AttemptLimit(burst=10, every=120.0, when_full=WhenFull.REFUSE)


def _by_address() -> AttemptLimit:
    return AttemptLimit(burst=10, every=60.0, when_full=WhenFull.REFUSE)


@dataclass(slots=True)
class KnownPlaces:
    """The attempts of known browsers and addresses, each with its own limit. Counted in memory, per process.

    Only a sign-in makes a key of these limits, so strangers cannot fill them. Coroutines may raise StoreUnavailable.
    """

    proofs: DeviceProofs
    operators: OperatorStore
    audit: AuditLog
    clock: Clock
    entropy: Entropy
    by_device: AttemptLimit = field(default_factory=_by_device)
    by_address: AttemptLimit = field(default_factory=_by_address)
    _addresses: OrderedDict[str, tuple[float, frozenset[str]]] = field(default_factory=OrderedDict)

    def proof_for(self, operator: Operator) -> Secret:
        """Return a new proof for the browser with which this operator has just signed in."""
        device_id = self.entropy.random_bytes(ID_LENGTH)
        return self.proofs.make(operator.name, operator.password_hash, device_id, self.clock.now())

    async def attempt_from_device(self, proof: Secret | None, name: str) -> bool:
        """Count an attempt of a known browser. Return False if it is not known, or has none left."""
        device = self.proofs.read(proof, name, self.clock.now()) if proof else None
        if device is None or self.by_device.wait(device.device_id.hex(), self.clock.steady()):
            return False
        operator = await self.operators.find_operator(name.strip())
        if operator is None or not self.proofs.belongs(device, operator.password_hash):
            return False
        return not self.by_device.attempt(device.device_id.hex(), self.clock.steady())

    async def attempt_from_address(self, address: str, name: str) -> bool:
        """Count an attempt of an address where this operator has signed in. Return False as above."""
        key = f"{address_key(address)} {name_key(name)}"
        if self.by_address.wait(key, self.clock.steady()):
            return False
        if address_key(address) not in await self._addresses_of(name):
            return False
        return not self.by_address.attempt(key, self.clock.steady())

    async def _addresses_of(self, name: str) -> frozenset[str]:
        """Return the keys of the addresses; at most a minute old, so that guesses cost the store no more than that.

        A name that no operator has takes as long, so that the time does not reveal which names exist.
        """
        name, steady = name.strip()[:_NAME_LENGTH], self.clock.steady()
        read_at, known = self._addresses.get(name, (float("-inf"), frozenset[str]()))
        if steady - read_at > _FRESH:
            known = _keys(await self._sign_ins(name)) if name else known
            self._addresses[name] = (steady, known)
            self._addresses.move_to_end(name)
            if len(self._addresses) > _REMEMBERED:
                self._addresses.popitem(last=False)
        return known

    async def _sign_ins(self, name: str) -> Sequence[str]:
        since = self.clock.now() - KNOWN_FOR
        found = await self.audit.newest(AuditFilter((AuditKind.SIGNED_IN,), actor=name, since=since), _SIGN_INS)
        return [chained.event.address for chained in found if chained.event.address]


def _keys(addresses: Sequence[str]) -> frozenset[str]:
    return frozenset(map(address_key, addresses))

"""Requests of machines: opened (RFC 8628 section 3.1), and forgotten some time after their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from bootgrant.approval.codes import UserCodes, device_code, device_code_digest, display_user_code
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.policy import needed_approvals
from bootgrant.ports.grants import BindingStore, GrantStore, UserCodeTaken
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.admission import Admission, TooMany
from bootgrant.workflows.machine.two_people import TwoPeople
from bootgrant.workflows.record.audit import votes_followed

_DRAWS: Final = 8
_CODE, _SALT, _ID = 32, 16, 10
"""Random bytes in a device code, in a token's salt, in a grant's id."""


class OpenedGrant(NamedTuple):
    """The answer to the machine. Times in seconds."""

    device_code: Secret
    user_code: str
    letters: str
    expires_in: int
    interval: int
    grant_id: str


@dataclass(frozen=True, slots=True)
class RecentlyDenied:
    """A person denied this machine recently: it gets the reason again, and nobody is asked for ``left`` seconds."""

    reason: str
    left: float


@dataclass(frozen=True, slots=True)
class OpenGrant:
    store: GrantStore
    clock: Clock
    entropy: Entropy
    codes: UserCodes
    rules: GrantRules
    admission: Admission
    two_people: TwoPeople
    arrived: Callable[[DeviceGrant], None]

    async def __call__(
        self, client_id: str, identity: MachineIdentity, address: str
    ) -> OpenedGrant | RecentlyDenied | TooMany:
        """Open a grant bound to the identity that the machine claims. Raises StoreUnavailable."""
        now = self.clock.now()
        denial = await self.store.find_denial(identity, address, now - self.rules.denial_cooldown)
        if denial is not None and denial.decision is not None and (left := denial.refused_for(self.rules, now)) > 0:
            return RecentlyDenied(denial.decision.reason, left)
        refusal = self.admission.check(identity, address, now)
        return refusal if refusal is not None else await self._open(client_id, identity, address)

    async def _open(self, client_id: str, identity: MachineIdentity, address: str) -> OpenedGrant:
        # It decides how long the code lives, and which votes of the machine's last request move at once. What an
        # approval is for is decided by the entry at that moment.
        precious = await self.two_people(identity)
        lifetime = self.rules.lifetime if precious is None else self.rules.lifetime_for(needed_approvals(precious))
        fingerprint = "" if precious is None else precious.fingerprint
        for _ in range(_DRAWS):
            code, letters, grant = self._draw(client_id, identity, address, lifetime)
            try:
                replaced = await self.store.open_grant(grant, fingerprint, votes_followed)
            except UserCodeTaken:
                continue
            self.admission.release(*replaced)
            self.admission.add(grant)
            self.arrived(grant)
            return OpenedGrant(
                code,
                display_user_code(letters),
                letters,
                round(lifetime),
                max(1, round(self.rules.interval)),
                grant.grant_id,
            )
        raise RuntimeError(f"{_DRAWS} user codes in a row were taken: the random source repeats itself")

    def _draw(
        self, client_id: str, identity: MachineIdentity, address: str, lifetime: float
    ) -> tuple[Secret, str, DeviceGrant]:
        """Return a new grant with its device code and the letters of its user code."""
        now = self.clock.now()
        # One draw for all, because each is a system call.
        drawn = self.entropy.random_bytes(_CODE + _SALT + _ID)
        code = device_code(drawn[:_CODE])
        # An id begins with the time, so that rows of a database are in the order in which they are inserted.
        grant_id = f"{int(now * 1000):012x}{drawn[_CODE + _SALT :].hex()}"
        letters = self.codes.of_grant(grant_id)
        grant = DeviceGrant(
            grant_id=grant_id,
            client_id=client_id,
            identity=identity,
            source_address=address,
            user_code_digest=self.codes.digest(letters),
            device_code_digest=device_code_digest(code),
            token_salt=drawn[_CODE : _CODE + _SALT],
            opened_at=now,
            expires_at=now + lifetime,
        )
        return code, letters, grant


UNFETCHED_KEPT: Final = 24 * 3600.0
"""Seconds that a request without a token is kept after its end, for the answer "this code expired"."""

_STEP: Final = 200


@dataclass(frozen=True, slots=True)
class CollectEnded:
    """Forgets ended grants in small steps that hold up no machine.

    ``kept`` is how long delivered grants stay, in seconds: they are the history of a machine.
    """

    store: GrantStore
    bindings: BindingStore
    clock: Clock
    kept: float

    async def step(self) -> bool:
        """Forget a few; return whether there may be more. Raises StoreUnavailable."""
        now = self.clock.now()
        grants = await self.store.collect_ended(now - UNFETCHED_KEPT, now - self.kept, _STEP)
        bindings = await self.bindings.forget_bindings(now - UNFETCHED_KEPT, _STEP)
        return _STEP in (grants, bindings)

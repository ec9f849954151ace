"""Grants for tests."""

from __future__ import annotations

from typing import Any

from bootgrant.approval.codes import UserCodes, device_code, device_code_digest
from bootgrant.approval.decision import Decision
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import VIA_SESSION, Author
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from support.fakes import CountedEntropy

CODES = UserCodes(b"k" * 32)
NOW = 1_800_000_000.0
UUID = "40dcbd19-3b10-444e-bfff-aaee44a51fda"
MAC = "52:2f:fd:df:fc:c0"
_ENTROPY = CountedEntropy()


def pending_grant(**changes: Any) -> tuple[DeviceGrant, Secret]:
    """A new grant of the machine UUID, and the device code that this machine holds."""
    code = device_code(_ENTROPY.random_bytes(32))
    grant_id = _ENTROPY.random_bytes(16).hex()
    grant = DeviceGrant(
        grant_id=grant_id,
        client_id="talos",
        identity=MachineIdentity(uuid=UUID, mac=MAC),
        source_address="10.20.0.11",
        user_code_digest=CODES.digest(CODES.of_grant(grant_id)),
        device_code_digest=device_code_digest(code),
        token_salt=_ENTROPY.random_bytes(16),
        opened_at=NOW,
        expires_at=NOW + 600,
    )
    return grant._replace(**changes), code


def other_machine(number: int) -> MachineIdentity:
    """The identity of one of many machines."""
    return MachineIdentity(serial=f"SN{number:04}")


def decision_by(name: str, at: float, reason: str = "", via: str = VIA_SESSION) -> Decision:
    """What this operator decided, signed in with a password."""
    return Decision(Author(name, via), at, reason)

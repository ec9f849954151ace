"""What ``machine.type`` makes of a machine."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from bootgrant.machines.talos.validation.rules import at


class Role(Enum):
    """``UNKNOWN`` is every type that Talos refuses."""

    CONTROL_PLANE = "controlplane"
    WORKER = "worker"
    UNKNOWN = "unknown"


_ROLES: Final = {
    "init": Role.CONTROL_PLANE,
    "controlplane": Role.CONTROL_PLANE,
    "worker": Role.WORKER,
    "join": Role.WORKER,
    "": Role.WORKER,
}


def role_of(value: dict[str, Any]) -> Role:
    """Return what Talos takes the machine of a legacy document for; an absent type is a worker."""
    return _ROLES.get(at(value, "machine.type") or "", Role.UNKNOWN)

"""``machine.network.interfaces[].bond``: names of modes and policies, and which settings each mode has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import is_between

_MODES: Final = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb",
)  # fmt: skip
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "mode": _MODES,
    "xmitHashPolicy": ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4"),
    "lacpRate": ("slow", "fast"),
    "arpValidate": ("none", "active", "backup", "all", "filter", "filter-active", "filter-backup"),
    "arpAllTargets": ("any", "all"),
    "primaryReselect": ("always", "better", "failure"),
    "failOverMac": ("none", "active", "follow"),
    "adSelect": ("stable", "bandwidth", "count"),
}
"""The values of each setting (``nethelpers``), in this spelling; an empty text is the first one."""
_SINCE: Final = dict.fromkeys(("filter", "filter-active", "filter-backup"), "1.12")
_LACP: Final = frozenset({"802.3ad"})
_WITH_PRIMARY: Final = frozenset({"active-backup", "balance-tlb", "balance-alb"})
_ADAPTIVE: Final = frozenset({"balance-tlb", "balance-alb"})
_WITH_ARP: Final = frozenset(_MODES) - _LACP - _ADAPTIVE


@dataclass(frozen=True, slots=True)
class _OnlyIn:
    """A setting that only some modes have; it is used if it is more than ``unused``."""

    key: str
    modes: frozenset[str]
    unused: int = 0

    def is_used(self, value: Any) -> bool:
        return value > self.unused if isinstance(value, int) else bool(value)


_ONLY_IN: Final = (
    _OnlyIn("lacpRate", _LACP),
    _OnlyIn("arpValidate", _WITH_ARP),
    _OnlyIn("primary", _WITH_PRIMARY),
    _OnlyIn("arpInterval", _WITH_ARP),
    _OnlyIn("packetsPerSlave", frozenset({"balance-rr"}), unused=1),
    _OnlyIn("tlbDynamicLb", _ADAPTIVE),
    _OnlyIn("adActorSysPrio", _LACP),
    _OnlyIn("adUserPortKey", _LACP),
)


def check_bond(bond: dict[str, Any], path: str, report: Report) -> None:
    for key, all_names in _NAMES.items():
        names = [name for name in all_names if is_between(report.release, _SINCE.get(name, ""))]
        if bond.get(key) and bond[key] not in names:
            report.refuse(f"{path}.{key}", f"must be {', '.join(names[:-1])} or {names[-1]}")
    _delays(bond, path, report)
    for key in ("arpIPTarget", "adActorSystem"):
        if bond.get(key):
            report.refuse(f"{path}.{key}", "is not supported by Talos: remove it")
    mode = bond.get("mode") if bond.get("mode") in _MODES else "balance-rr"
    for setting in _ONLY_IN:
        if mode not in setting.modes and setting.is_used(bond.get(setting.key, 0)):
            modes = ", ".join(sorted(setting.modes))
            report.refuse(f"{path}.{setting.key}", f"the mode {mode} does not have it, only {modes}: remove it")


def _delays(bond: dict[str, Any], path: str, report: Report) -> None:
    interval = bond.get("miimon", 0)
    for key in ("updelay", "downdelay"):
        delay = bond.get(key, 0)
        if not interval and delay:
            report.refuse(f"{path}.{key}", "needs miimon, which is not set: set it, or remove this")
        elif interval and delay % interval:
            report.refuse(f"{path}.{key}", "must be a multiple of miimon")

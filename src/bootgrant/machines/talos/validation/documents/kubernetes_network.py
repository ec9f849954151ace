"""The networks of pods and services, and how many bits of them a node has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bootgrant.machines.talos.validation.documents.prefixes import Prefix, read_prefix
from bootgrant.machines.talos.validation.documents.rules import Section, check
from bootgrant.machines.talos.validation.report import Check

_FEWEST_HOST_BITS: Final = 4
_MOST_SERVICE_HOST_BITS: Final = 20
_MOST_NODE_BITS: Final = 16
"""How much longer than the network of pods the mask of a node may be."""
_NODE_MASKS: Final[Mapping[str, tuple[int, int]]] = {
    "nodeCIDRMaskSizeIPv4": (24, 32),
    "nodeCIDRMaskSizeIPv6": (64, 128),
}
"""The length of a node's mask that 0 stands for, and the greatest one."""

_SizeFault = Callable[[Prefix], str]


def _node_mask(section: Section, name: str) -> int | None:
    """Return the length of a node's mask, None if Talos refuses it."""
    default, greatest = _NODE_MASKS[name]
    bits = section.number(name)
    return None if not 0 <= bits <= greatest else bits or default


def _node_masks(section: Section) -> None:
    for name, (default, greatest) in _NODE_MASKS.items():
        if _node_mask(section, name) is None:
            section.refuse(name, f"must be a number from 1 to {greatest}, or 0 for {default}")


def _pod_size_fault(section: Section) -> _SizeFault:
    ipv4, ipv6 = (_node_mask(section, name) for name in _NODE_MASKS)

    def fault(subnet: Prefix) -> str:
        mask = ipv4 if subnet.is_ipv4 else ipv6
        if mask is None or 0 <= mask - subnet.bits <= _MOST_NODE_BITS:
            return ""
        return f"must have a length from /{max(mask - _MOST_NODE_BITS, 0)} to /{mask}, the mask of a node"

    return fault


def _service_size_fault(subnet: Prefix) -> str:
    if subnet.host_bits <= _MOST_SERVICE_HOST_BITS:
        return ""
    return f"is too large: write /{subnet.bits + subnet.host_bits - _MOST_SERVICE_HOST_BITS} or longer"


def _subnet_fault(subnet: Prefix | None, size_fault: _SizeFault) -> str:
    if subnet is None:
        return "must be a network such as 10.0.0.0/8"
    if not subnet.is_masked:
        return "must be a network without host bits, such as 10.0.0.0/8"
    if subnet.host_bits < _FEWEST_HOST_BITS:
        return f"is too small: write /{subnet.bits + subnet.host_bits - _FEWEST_HOST_BITS} or shorter"
    return size_fault(subnet)


def _subnets(section: Section, name: str, size_fault: _SizeFault) -> None:
    """Report the first fault of the networks of pods or services (``validateSubnets``)."""
    texts = section.items(name)
    if not 1 <= len(texts) <= 2:
        section.refuse(name, "must have one network, or one of IPv4 and one of IPv6")
        return
    subnets = [read_prefix(text) for text in texts]
    for index, subnet in enumerate(subnets):
        fault = _subnet_fault(subnet, size_fault)
        if fault:
            section.refuse(f"{name}[{index}]", fault)
            return
    if len({subnet.is_ipv4 for subnet in subnets if subnet is not None}) < len(subnets):
        section.refuse(name, "must have one network of IPv4 and one of IPv6")


def _pod_subnets(section: Section) -> None:
    _subnets(section, "podSubnets", _pod_size_fault(section))


def _service_subnets(section: Section) -> None:
    _subnets(section, "serviceSubnets", _service_size_fault)


def _same_number(section: Section) -> None:
    if len(section.items("podSubnets")) != len(section.items("serviceSubnets")):
        section.refuse("serviceSubnets", "must have as many networks as podSubnets")


CHECKS: Final[Mapping[str, Check]] = {
    "KubeNetworkConfig": check(_node_masks, _pod_subnets, _service_subnets, _same_number),
}

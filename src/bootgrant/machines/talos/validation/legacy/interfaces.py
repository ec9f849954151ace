"""``machine.network.interfaces``: links, their addresses, routes, VLANs and members."""

from __future__ import annotations

from typing import Any, Final

from bootgrant.machines.talos.validation import forms
from bootgrant.machines.talos.validation.legacy.bonds import check_bond
from bootgrant.machines.talos.validation.legacy.roles import Role, role_of
from bootgrant.machines.talos.validation.legacy.wireguard import check_wireguard
from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import at

_INTERFACES: Final = "machine.network.interfaces"
_NULL: Final = "is null, and Talos crashes: remove it"
_ADDRESS_HINT: Final = "must be an address such as 10.0.0.5/24 or 10.0.0.5"
_NOT_BOTH: Final = "must not be set together with addresses: move it there"
_VIP_HINT: Final = "a worker must not have a virtual address: remove it"
Device = dict[str, Any]


def _devices(value: dict[str, Any]) -> list[Device | None]:
    found: list[Device | None] = at(value, _INTERFACES) or []
    return found


def virtual_addresses(value: dict[str, Any], report: Report) -> None:
    if role_of(value) is not Role.WORKER:
        return
    for index, device in enumerate(_devices(value)):
        path = f"{_INTERFACES}[{index}]"
        if "vip" in (device or {}):
            report.refuse(f"{path}.vip", _VIP_HINT)
        for number, vlan in enumerate((device or {}).get("vlans") or []):
            if vlan is not None and "vip" in vlan:
                report.refuse(f"{path}.vlans[{number}].vip", _VIP_HINT)


def interfaces(value: dict[str, Any], report: Report) -> None:
    devices = _devices(value)
    members = _members(devices, report)
    for index, device in enumerate(devices):
        path = f"{_INTERFACES}[{index}]"
        if device is None:
            report.refuse(path, _NULL)
        elif not device.get("ignore"):
            _check_device(device, members, path, report)


def _members(devices: list[Device | None], report: Report) -> dict[str, str]:
    """Return the members of bonds and bridges with the link that they are in, also for ignored links."""
    members: dict[str, str] = {}
    for index, device in enumerate(devices):
        path = f"{_INTERFACES}[{index}]"
        bond, bridge = (device or {}).get("bond"), (device or {}).get("bridge")
        name = (device or {}).get("interface", "")
        if bond is not None and bridge is not None:
            report.refuse(f"{path}.bridge", "a link cannot be a bond and a bridge: remove one of them")
        if bond and bond.get("interfaces") and bond.get("deviceSelectors"):
            report.refuse(
                f"{path}.bond.deviceSelectors", "must not be set together with interfaces: remove one of them"
            )
        group, owner = ("bond", bond) if bridge is None else ("bridge", bridge)
        for number, member in enumerate((owner or {}).get("interfaces") or []):
            if members.setdefault(member, name) != name:
                message = "this link is a member of another link, too: remove it from one of them"
                report.refuse(f"{path}.{group}.interfaces[{number}]", message)
            members[member] = name
    return members


def _check_device(device: Device, members: dict[str, str], path: str, report: Report) -> None:
    _identity(device, path, report)
    if "bond" in device:
        check_bond(device["bond"], f"{path}.bond", report)
    if "wireguard" in device:
        check_wireguard(device["wireguard"], f"{path}.wireguard", report)
    for index, vlan in enumerate(device.get("vlans") or []):
        if vlan is None:
            report.refuse(f"{path}.vlans[{index}]", _NULL)
        else:
            _addresses(vlan, f"{path}.vlans[{index}]", report)
    _addressing(device, members, path, report)
    for index, route in enumerate(device.get("routes") or []):
        if route is None:
            report.refuse(f"{path}.routes[{index}]", _NULL)
        else:
            _route(route, f"{path}.routes[{index}]", report)


def _identity(device: Device, path: str, report: Report) -> None:
    selector = device.get("deviceSelector")
    if device.get("interface"):
        if selector is not None:
            report.refuse(f"{path}.deviceSelector", "must not be set together with interface: remove one of them")
    elif selector is None:
        report.refuse(path, "neither interface nor deviceSelector says which link it is: add one of them")
    # A pointer that was given counts, whatever it is: physical: false selects, too.
    if selector is not None and not any(key == "physical" or text for key, text in selector.items()):
        report.refuse(f"{path}.deviceSelector", "is empty: add at least one property")


def _addressing(device: Device, members: dict[str, str], path: str, report: Report) -> None:
    has_addressing = device.get("dhcp") or device.get("cidr") or device.get("addresses") or "vip" in device
    if device.get("interface", "") in members and has_addressing:
        message = "it is a member of a bond or bridge, so it must have no dhcp, cidr, addresses and vip: remove them"
        report.refuse(path, message)
    _addresses(device, path, report)
    if device.get("cidr"):
        report.warn(f"{path}.cidr", "is deprecated: use addresses")
    if "vip" in device and not forms.is_ip(device["vip"].get("ip", "")):
        report.refuse(f"{path}.vip.ip", "must be an address without a length, such as 10.0.0.5")


def _addresses(link: Device, path: str, report: Report) -> None:
    addresses, cidr = link.get("addresses") or [], link.get("cidr")
    if addresses and cidr:
        report.refuse(f"{path}.cidr", _NOT_BOTH)
    if cidr and not forms.is_ip_or_cidr(cidr):
        report.refuse(f"{path}.cidr", _ADDRESS_HINT)
    for index, address in enumerate(addresses):
        if not forms.is_ip_or_cidr(address):
            report.refuse(f"{path}.addresses[{index}]", _ADDRESS_HINT)


def _route(route: dict[str, Any], path: str, report: Report) -> None:
    network, gateway, source = (route.get(key) for key in ("network", "gateway", "source"))
    if network and not forms.is_cidr(network):
        report.refuse(f"{path}.network", "must be a network such as 10.0.0.0/8")
    for key, address in (("gateway", gateway), ("source", source)):
        if address and not forms.is_ip(address):
            report.refuse(f"{path}.{key}", "must be an address without a length, such as 10.0.0.5")
    if not network and not gateway:
        report.refuse(path, "neither network nor gateway is set: add one of them")

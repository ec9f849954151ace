"""What talhelper generates for a node, as a patch in the form that Talos 1.6 and later read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bootgrant.machines.importing.project import Json, mapping_in, mappings_in, write_yaml
from bootgrant.machines.importing.talhelper_texts import Texts

_MACHINE: Final[Mapping[str, str]] = {
    "nodeLabels": "nodeLabels",
    "nodeAnnotations": "nodeAnnotations",
    "nodeTaints": "nodeTaints",
    "machineDisks": "disks",
    "certSANs": "certSANs",
}
_NETWORK: Final[Mapping[str, str]] = {
    "nameservers": "nameservers",
    "disableSearchDomain": "disableSearchDomain",
    "networkInterfaces": "interfaces",
}
_INSTALL: Final[Mapping[str, str]] = {"installDisk": "disk", "installDiskSelector": "diskSelector"}
_MAC: Final = re.compile(r"(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}", re.IGNORECASE)
_TEMPLATE: Final = "{{"


def generated(node: Mapping[str, Any], texts: Texts, talos: str) -> bytes:
    """Return the patch of a node: the machine's part, and the documents that talhelper adds."""
    machine: Json = {name: _plain(node[key]) for key, name in _MACHINE.items() if node.get(key)}
    network: Json = {name: node[key] for key, name in _NETWORK.items() if node.get(key)}
    if not node.get("ignoreHostname"):
        network = {"hostname": node["hostname"], **network}
    install: Json = {name: node[key] for key, name in _INSTALL.items() if node.get(key)}
    if node.get("talosImageURL"):
        install["image"] = f"{node['talosImageURL']}:v{talos}"
    if files := list(_machine_files(node, texts)):
        machine["files"] = files
    if node.get("kernelModules"):
        machine["kernel"] = {"modules": node["kernelModules"]}
    machine |= {key: value for key, value in {"network": network, "install": install}.items() if value}
    return write_yaml({"machine": machine}, *_documents(node))


def _plain(value: Any) -> Any:
    """Leave out values that talhelper computes from the finished configuration."""
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if _TEMPLATE not in str(one)}
    return value


def _machine_files(node: Mapping[str, Any], texts: Texts) -> Iterator[Json]:
    for file in mappings_in(node, "machineFiles"):
        content = texts.content(str(file.get("content", "")), is_filled=not file.get("skipEnvsubst"))
        if content is not None:
            yield {key: value for key, value in {**file, "content": content}.items() if key != "skipEnvsubst"}


def _documents(node: Mapping[str, Any]) -> Iterator[Json]:
    firewall = mapping_in(node, "ingressFirewall")
    if firewall:
        yield _document("NetworkDefaultActionConfig", {"ingress": firewall.get("defaultAction", "block")})
        yield from (_document("NetworkRuleConfig", rule) for rule in mappings_in(firewall, "rules"))
    for key, kind in (
        ("extensionServices", "ExtensionServiceConfig"),
        ("volumes", "VolumeConfig"),
        ("userVolumes", "UserVolumeConfig"),
    ):
        yield from (_document(kind, one) for one in mappings_in(node, key))


def _document(kind: str, value: Mapping[str, Any]) -> Json:
    return {"apiVersion": "v1alpha1", "kind": kind, **value}


def match_of(node: Mapping[str, Any]) -> Json:
    """Return the hardware addresses that identify a node; a pattern such as 00:50:56:* does not."""
    found = [str(mac) for mac in _addresses(node.get("networkInterfaces")) if _MAC.fullmatch(str(mac))]
    return {"mac": found if len(found) > 1 else found[0]} if found else {}


def _addresses(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _addresses(item)
    elif isinstance(value, dict):
        if value.get("hardwareAddr"):
            yield value["hardwareAddr"]
        yield from _addresses([value.get(key) for key in ("deviceSelector", "deviceSelectors", "bond", "bridge")])


def notes_of(node: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a node has and the import leaves out."""
    for key in ("nodeLabels", "nodeAnnotations"):
        for name, value in mapping_in(node, key).items():
            if _TEMPLATE in str(value):
                yield f"{key}.{name} was not carried over: talhelper computes it from the finished configuration"
    if node.get("schematic") and not node.get("talosImageURL"):
        yield (
            "schematic was not carried over: upload it to the Image Factory, and put the image that it gives into "
            "machine.install.image"
        )
    secure = mapping_in(node, "machineSpec").get("secureboot")
    if secure:
        yield "machineSpec.secureboot was not carried over: use the installer image for Secure Boot"

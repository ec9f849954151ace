"""The sections of ``machine`` other than ``install`` and ``network.interfaces``."""

from __future__ import annotations

from typing import Any, Final

from bootgrant.machines.talos.validation import forms
from bootgrant.machines.talos.validation.documents.kubernetes import PROTECTED_KUBELET_KEYS
from bootgrant.machines.talos.validation.legacy.roles import Role, role_of
from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import at
from bootgrant.machines.talos.validation.runtime_spec import runtime_spec_faults
from bootgrant.machines.yaml.reading import quoted
from bootgrant.wire.go_url import GoUrl

_SMALLEST_MTU: Final = 1280
"""Of a KubeSpan link, because IPv6 needs it."""
_SUBNET_HINT: Final = "must be a network such as 10.0.0.0/8 or an address, with ! in front to exclude it"
_DEPRECATED_TYPES: Final = frozenset({"join", ""})
_PARAMETERS: Final = ("static", "nodeID", "kms", "tpm")
_LOG_FORMATS: Final = frozenset({"json_lines"})
_SORT_ALGORITHMS: Final = frozenset({"v1", "v2"})


def deprecated_sections(value: dict[str, Any], report: Report) -> None:
    if value["machine"].get("files"):
        report.warn("machine.files", "is deprecated: use the documents of Talos 1.14 instead")
    if value["machine"].get("baseRuntimeSpecOverrides"):
        report.warn("machine.baseRuntimeSpecOverrides", "is deprecated: use a CRIBaseRuntimeSpecConfig document")


def host_dns(value: dict[str, Any], report: Report) -> None:
    settings = at(value, "machine.features.hostDNS") or {}
    if settings.get("forwardKubeDNSToHost") and not settings.get("enabled"):
        message = "needs machine.features.hostDNS.enabled: true"
        report.refuse("machine.features.hostDNS.forwardKubeDNSToHost", message)


def machine_type(value: dict[str, Any], report: Report) -> None:
    written = value["machine"].get("type", "")
    if role_of(value) is Role.UNKNOWN:
        report.refuse("machine.type", f"must be controlplane or worker; it is {quoted(written)}")
    elif written in _DEPRECATED_TYPES:
        found = f"is {written!r}, which" if written else "is missing, which"
        report.warn("machine.type", f"{found} Talos reads as worker: write worker")


def authorities(value: dict[str, Any], report: Report) -> None:
    """A control plane has the key of Talos's API; a worker only trusts its certificate."""
    machine = value["machine"]
    issuing, accepted = machine.get("ca"), machine.get("acceptedCAs")
    if issuing is None and not accepted:
        report.refuse("machine.ca", "is missing: add the certificate of the Talos API to machine.ca or acceptedCAs")
    match role_of(value):
        case Role.CONTROL_PLANE:
            if issuing is None:
                if accepted:
                    report.refuse("machine.ca", "is missing: a control plane needs it with crt and key")
            elif not issuing.get("key"):
                report.refuse("machine.ca.key", "is missing: a control plane needs the key of the Talos API")
        case Role.WORKER:
            _trust_of_worker(issuing or {}, report)
            if issuing is not None and not issuing.get("crt") and not accepted:
                report.refuse("machine.ca.crt", "is missing: a worker needs this certificate or acceptedCAs")


def _trust_of_worker(issuing: dict[str, Any], report: Report) -> None:
    if issuing.get("key"):
        report.refuse("machine.ca.key", "a worker must not have the key of the Talos API: remove it")


def kubespan(value: dict[str, Any], report: Report) -> None:
    path = "machine.network.kubespan"
    settings = at(value, path) or {}
    if not settings.get("enabled"):
        return
    if 0 < (settings.get("mtu") or 0) < _SMALLEST_MTU:
        report.refuse(f"{path}.mtu", f"must be at least {_SMALLEST_MTU}")
    for index, text in enumerate(at(settings, "filters.endpoints") or []):
        if not forms.is_subnet(text):
            report.refuse(f"{path}.filters.endpoints[{index}]", _SUBNET_HINT)


def kubespan_networks(value: dict[str, Any], report: Report) -> None:
    path = "machine.network.kubespan"
    settings = at(value, path) or {}
    networks = at(settings, "filters.excludeAdvertisedNetworks") or []
    for index, text in enumerate(networks if settings.get("enabled") else []):
        if not forms.is_netip_prefix(text):
            message = "must be a network such as 10.0.0.0/8"
            report.refuse(f"{path}.filters.excludeAdvertisedNetworks[{index}]", message)


def disks(value: dict[str, Any], report: Report) -> None:
    for number, disk in enumerate(value["machine"].get("disks") or []):
        path = f"machine.disks[{number}]"
        if disk is None:
            report.refuse(path, "is null: write device and partitions, or remove it")
            continue
        partitions = disk.get("partitions") or []
        for index, partition in enumerate(partitions):
            if partition is None:
                report.refuse(f"{path}.partitions[{index}]", "is null, and Talos crashes: remove it")
            elif not partition.get("size") and index < len(partitions) - 1:
                message = "no size, so it takes the whole disk: give it one, or make it the last partition"
                report.refuse(f"{path}.partitions[{index}]", message)


def kubelet(value: dict[str, Any], report: Report) -> None:
    settings = value["machine"].get("kubelet") or {}
    for index, text in enumerate(at(settings, "nodeIP.validSubnets") or []):
        if not forms.is_subnet(text):
            report.refuse(f"machine.kubelet.nodeIP.validSubnets[{index}]", _SUBNET_HINT)
    for key in sorted(set(PROTECTED_KUBELET_KEYS) & set(settings.get("extraConfig") or {})):
        report.refuse(f"machine.kubelet.extraConfig.{key}", "Talos sets this field itself: remove it")


def disk_encryption(value: dict[str, Any], report: Report) -> None:
    encryption = value["machine"].get("systemDiskEncryption") or {}
    for partition in ("ephemeral", "state"):
        if partition in encryption:
            _encryption_keys(encryption[partition], f"machine.systemDiskEncryption.{partition}.keys", report)


def _encryption_keys(settings: dict[str, Any], path: str, report: Report) -> None:
    keys = settings.get("keys") or []
    if not keys:
        report.refuse(path, "is empty: add a key with nodeID, static, kms or tpm")
    slots = set()
    for index, key in enumerate(keys):
        if key is None:
            report.refuse(f"{path}[{index}]", "is null, and Talos crashes: remove it")
            continue
        slot = key.get("slot", 0)
        if slot in slots:
            report.refuse(f"{path}[{index}].slot", f"another key has the slot {slot}: give each key its own")
        slots.add(slot)
        if not any(parameter in key for parameter in _PARAMETERS):
            report.refuse(f"{path}[{index}]", "it says no kind of key: add nodeID, static, kms or tpm")


def logging(value: dict[str, Any], report: Report) -> None:
    for index, destination in enumerate(at(value, "machine.logging.destinations") or []):
        path = f"machine.logging.destinations[{index}]"
        endpoint: GoUrl | None = destination.get("endpoint")
        if endpoint is None:
            report.refuse(f"{path}.endpoint", "is missing: write tcp://host:port or udp://host:port")
        else:
            if not endpoint.host:
                report.refuse(f"{path}.endpoint", "has no host: write tcp://host:port or udp://host:port")
            if endpoint.scheme not in ("tcp", "udp"):
                report.refuse(f"{path}.endpoint", "must begin with tcp:// or udp://")
        if destination.get("format", "") not in _LOG_FORMATS:
            report.refuse(f"{path}.format", "must be json_lines")


def node_words(value: dict[str, Any], report: Report) -> None:
    """The labels, annotations and taints of the Kubernetes node."""
    machine = value["machine"]
    for name, faults in (
        ("nodeLabels", forms.label_faults),
        ("nodeAnnotations", forms.annotation_faults),
        ("nodeTaints", forms.taint_faults),
    ):
        for message in faults(machine.get(name) or {}):
            report.refuse(f"machine.{name}", message)


def api_access(value: dict[str, Any], report: Report) -> None:
    path = "machine.features.kubernetesTalosAPIAccess"
    settings = at(value, path) or {}
    if not settings.get("enabled"):
        return
    if role_of(value) is not Role.CONTROL_PLANE:
        report.refuse(f"{path}.enabled", "only a control plane can have it: remove it")
    known = forms.roles(report.release)
    for index, role in enumerate(settings.get("allowedRoles") or []):
        if role not in known:
            report.refuse(f"{path}.allowedRoles[{index}]", f"must be one of {', '.join(sorted(known))}")


def api_access_needs_rbac(value: dict[str, Any], report: Report) -> None:
    path = "machine.features.kubernetesTalosAPIAccess"
    features = at(value, "machine.features") or {}
    if at(value, f"{path}.enabled") and not features.get("rbac"):
        report.refuse(f"{path}.enabled", "needs machine.features.rbac: true")


def address_order(value: dict[str, Any], report: Report) -> None:
    algorithm = at(value, "machine.features.nodeAddressSortAlgorithm") or ""
    if algorithm and algorithm.lower() not in _SORT_ALGORITHMS:
        report.refuse("machine.features.nodeAddressSortAlgorithm", "must be v1 or v2")


def persist(value: dict[str, Any], report: Report) -> None:
    if value.get("persist") is False:
        report.refuse("persist", "must not be false: remove it")


def runtime_spec(value: dict[str, Any], report: Report) -> None:
    overrides = value["machine"].get("baseRuntimeSpecOverrides") or {}
    for message in runtime_spec_faults(overrides, report.release):
        report.refuse("machine.baseRuntimeSpecOverrides", message)


def registries(value: dict[str, Any], report: Report) -> None:
    found = value["machine"].get("registries") or {}
    for section in ("config", "mirrors"):
        for name, settings in (found.get(section) or {}).items():
            if settings is None:
                report.refuse(f"machine.registries.{section}.{name}", "is null: write its settings, or remove it")

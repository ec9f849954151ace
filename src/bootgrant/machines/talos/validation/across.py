"""Checks that look at several documents of a configuration (``validateContainer``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bootgrant.machines.talos.documents import Document
from bootgrant.machines.talos.tables import LEGACY
from bootgrant.machines.talos.validation.legacy.cluster import has_discovery_service
from bootgrant.machines.talos.validation.legacy.roles import Role, role_of
from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import at, is_between

_SINCE: Final = "1.14"
"""Earlier releases look at one document after the other only."""
_CONTROL_PLANE_KINDS: Final = frozenset(
    f"Kube{name}Config"
    for name in (
        "APIServer", "ControllerManager", "Scheduler", "Proxy", "CoreDNS", "FlannelCNI", "AdmissionControl",
        "AuditPolicy", "Authentication", "Authorizer", "EtcdEncryption", "AggregatorCA", "ServiceAccount",
        "TalosAPIAccess",
    )
)  # fmt: skip
"""Kinds that only a control plane may have. Others that sound like it are allowed everywhere."""


class Whole:
    """The documents of a configuration by their kind, with the value of the one with ``machine`` and ``cluster``."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents
        self.legacy_document = next((each for each in documents if each.kind.name == LEGACY), None)
        self.legacy: Mapping[str, Any] = self.legacy_document.value if self.legacy_document else {}
        self.has_machine = "machine" in self.legacy

    def first(self, kind: str) -> Document | None:
        return next((document for document in self.documents if document.kind.name == kind), None)

    def all(self, kind: str) -> Iterator[Document]:
        return (document for document in self.documents if document.kind.name == kind)

    @property
    def is_control_plane(self) -> bool:
        return self.has_machine and role_of(dict(self.legacy)) is Role.CONTROL_PLANE

    @property
    def has_discovery(self) -> bool:
        return has_discovery_service(dict(self.legacy)) or self.first("DiscoveryServiceConfig") is not None


def check_whole(documents: Sequence[Document], report: Report) -> None:
    """Check what a single document cannot show."""
    if not is_between(report.release, _SINCE):
        return
    whole = Whole(documents)
    for check in (_encrypted_dns, _discovery_identity, _containers, _kubespan, _etcd_encryption, _control_plane_kinds):
        check(whole, report)


def _encrypted_dns(whole: Whole, report: Report) -> None:
    resolver = whole.first("ResolverConfig")
    if (
        resolver is None
        or at(resolver.value, "hostDNS.enabled")
        or at(whole.legacy, "machine.features.hostDNS.enabled")
    ):
        return
    for index, server in enumerate(resolver.value.get("nameservers") or []):
        if server.get("protocol"):
            report.document = resolver
            report.refuse(f"nameservers[{index}].protocol", "needs hostDNS.enabled: true")
            return


def _discovery_identity(whole: Whole, report: Report) -> None:
    if not whole.has_discovery:
        return
    document = whole.first("DiscoveryIdentityConfig")
    old = {key: at(whole.legacy, f"cluster.{key}") for key in ("id", "secret")}
    new = {
        key: document and document.value.get(name) for key, name in (("id", "clusterID"), ("secret", "clusterSecret"))
    }
    # The old form counts as soon as it has one of the two.
    identity = old if any(old.values()) else new
    for key, what in (("id", "clusterID"), ("secret", "clusterSecret")):
        if not identity[key]:
            report.document = whole.first("DiscoveryServiceConfig") or whole.legacy_document
            message = f"discovery needs cluster.{key}, or a DiscoveryIdentityConfig with {what}: add it"
            report.refuse("cluster.discovery" if report.document is whole.legacy_document else "", message)


def _kubespan(whole: Whole, report: Report) -> None:
    document = whole.first("KubeSpanConfig")
    enabled = document.value.get("enabled") if document else at(whole.legacy, "machine.network.kubespan.enabled")
    if enabled and not whole.has_discovery:
        report.document = document or whole.legacy_document
        path = "enabled" if document else "machine.network.kubespan.enabled"
        report.refuse(path, "needs discovery: add a DiscoveryServiceConfig, or turn cluster.discovery on")


def _etcd_encryption(whole: Whole, report: Report) -> None:
    has_authority = (
        whole.first("KubeAPIServerCAConfig") is not None
        or at(whole.legacy, "cluster.ca") is not None
        or at(whole.legacy, "cluster.acceptedCAs") is not None
    )
    secrets = ("secretboxEncryptionSecret", "aescbcEncryptionSecret")
    is_encrypted = any(at(whole.legacy, f"cluster.{key}") for key in secrets) or whole.first("KubeEtcdEncryptionConfig")
    if whole.is_control_plane and has_authority and not is_encrypted:
        report.document = whole.legacy_document
        message = "a control plane needs secretboxEncryptionSecret, or a KubeEtcdEncryptionConfig: add one of them"
        report.refuse("cluster", message)


def _control_plane_kinds(whole: Whole, report: Report) -> None:
    if whole.is_control_plane:
        return
    reason = "only a control plane may have this document"
    hint = "remove it" if whole.has_machine else "put it next to a document with machine.type: controlplane"
    for document in whole.documents:
        if document.kind.name in _CONTROL_PLANE_KINDS:
            report.document = document
            report.refuse("", f"{reason}: {hint}")


def _containers(whole: Whole, report: Report) -> None:
    """The containers that one waits for must exist, and must not wait for it in turn."""
    documents = {document.name: document for document in whole.all("ContainerConfig")}
    waits = {name: at(each.value, "dependsOn.containers") or [] for name, each in documents.items()}
    for name, document in documents.items():
        report.document = document
        for index, other in enumerate(waits[name]):
            if other not in documents:
                report.refuse(f"dependsOn.containers[{index}]", "there is no container of this name: add or rename it")
        if name in _reachable(name, waits):
            report.refuse("dependsOn.containers", "it waits for itself through other containers: break the circle")


def _reachable(start: str, edges: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the names that a name leads to, directly or through others."""
    found: set[str] = set()
    ahead = list(edges[start])
    while ahead:
        name = ahead.pop()
        if name not in found and name in edges:
            found.add(name)
            ahead += edges[name]
    return found

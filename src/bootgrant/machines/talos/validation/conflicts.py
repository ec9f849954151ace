"""Fields of the document with ``machine`` and ``cluster`` that a newer document takes the place of.

Talos refuses both at once (``V1Alpha1ConflictValidate`` of each kind), and reports the first field of a document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bootgrant.machines.talos.documents import Document
from bootgrant.machines.talos.validation import forms
from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import at


def _is_present(value: Any) -> bool:
    return value is not None


def _is_set(value: Any) -> bool:
    return bool(value)


def _has_address(nameservers: Any) -> bool:
    """Talos ignores nameservers that are not addresses."""
    return any(forms.is_netip_addr(text) for text in nameservers or ())


@dataclass(frozen=True, slots=True)
class Field:
    """``path`` in the old document, ``takes`` whether its value is in the way; ``only`` limits it by the new one."""

    path: str
    takes: Callable[[Any], bool] = _is_present
    only: Callable[[Mapping[str, Any]], bool] = lambda _: True


def _encrypts(volume: str) -> Callable[[Mapping[str, Any]], bool]:
    def only(document: Mapping[str, Any]) -> bool:
        encryption = document.get("encryption") or {}
        return document.get("name") == volume and bool(encryption.get("provider") or encryption.get("keys"))

    return only


FIELDS: Final[Mapping[str, Sequence[Field]]] = {
    "HostnameConfig": (
        Field("machine.network.hostname", _is_set),
        Field("machine.features.stableHostname", _is_set),
    ),
    "ResolverConfig": (
        Field("machine.network.searchDomains"),
        Field("machine.network.nameservers", _has_address),
        Field("machine.network.disableSearchDomain", _is_set),
        Field("machine.features.hostDNS", only=lambda document: bool(document.get("hostDNS"))),
    ),
    "TimeSyncConfig": (
        Field("machine.time.disabled", _is_set),
        Field("machine.time.servers", _is_set),
        Field("machine.time.bootTimeout", _is_set),
    ),
    "KubeSpanConfig": (Field("machine.network.kubespan"),),
    "KubePrismConfig": (Field("machine.features.kubePrism"),),
    "ImageCacheConfig": (Field("machine.features.imageCache"),),
    "KubeTalosAPIAccessConfig": (Field("machine.features.kubernetesTalosAPIAccess"),),
    "KubeletConfig": (Field("machine.kubelet"),),
    "KubeCredentialProviderConfig": (Field("machine.kubelet"),),
    "KubeNodeConfig": (
        Field("cluster.allowSchedulingOnControlPlanes"),
        Field("cluster.allowSchedulingOnMasters"),
        Field("machine.kubelet.skipNodeRegistration"),
        Field("machine.kubelet.registerWithFQDN"),
        Field("machine.kubelet.nodeIP"),
        Field("machine.nodeLabels"),
        Field("machine.nodeAnnotations"),
        Field("machine.nodeTaints"),
    ),
    "KubeAPIServerConfig": (
        Field("cluster.apiServer"),
        Field("cluster.controlPlane.localAPIServerPort", _is_set),
    ),
    "KubeControllerManagerConfig": (
        Field("cluster.controllerManager"),
        Field("machine.controlPlane.controllerManager"),
    ),
    "KubeSchedulerConfig": (Field("cluster.scheduler"), Field("machine.controlPlane.scheduler")),
    "KubeProxyConfig": (Field("cluster.proxy"),),
    "KubeCoreDNSConfig": (Field("cluster.coreDNS"),),
    "KubeNetworkConfig": (Field("cluster.network"),),
    "KubeFlannelCNIConfig": (Field("cluster.network"),),
    "KubeClusterConfig": (Field("cluster.clusterName", _is_set), Field("cluster.controlPlane.endpoint")),
    "KubeAdmissionControlConfig": (Field("cluster.apiServer.admissionControl", _is_set),),
    # Talos looks at the same field for the authorizer, and not at authorizationConfig.
    "KubeAuthorizerConfig": (Field("cluster.apiServer.admissionControl", _is_set),),
    "KubeAuditPolicyConfig": (Field("cluster.apiServer.auditPolicy", _is_set),),
    "KubeEtcdEncryptionConfig": (
        Field("cluster.secretboxEncryptionSecret", _is_set),
        Field("cluster.aescbcEncryptionSecret", _is_set),
    ),
    "KubeAPIServerCAConfig": (Field("cluster.ca"),),
    "KubeAggregatorCAConfig": (Field("cluster.aggregatorCA"),),
    "KubeServiceAccountConfig": (Field("cluster.serviceAccount"),),
    "DiscoveryIdentityConfig": (Field("cluster.id", _is_set), Field("cluster.secret", _is_set)),
    "DiscoveryServiceConfig": (Field("cluster.discovery"),),
    "UnattendedInstallConfig": (Field("machine.install"),),
    "CRIBaseRuntimeSpecConfig": (Field("machine.baseRuntimeSpecOverrides"),),
    "VolumeConfig": (
        Field("machine.systemDiskEncryption.state", only=_encrypts("STATE")),
        Field("machine.systemDiskEncryption.ephemeral", only=_encrypts("EPHEMERAL")),
    ),
}
"""By the kind of the newer document, in Talos's order."""


def check_conflict(document: Document, legacy: Mapping[str, Any], report: Report) -> None:
    """Check one document against the one with ``machine`` and ``cluster``."""
    for field in FIELDS.get(document.kind.name, ()):
        if field.only(document.value) and field.takes(at(legacy, field.path)):
            report.refuse("", f"the older field {field.path} is set too: remove one of the two")
            return

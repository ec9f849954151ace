"""What Talos checks in each kind of document other than v1alpha1, one module for each family of kinds.

``rules`` has the words that the tables of the other modules are written in. The rules are those of the ``Validate``
methods in ``pkg/machinery/config/types``; what a value type refuses is refused earlier, when a document is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bootgrant.machines.talos.validation.documents import (
    authorities,
    bgp,
    cluster,
    containers,
    hosts,
    kubernetes,
    kubernetes_network,
    links,
    lvm,
    registries,
    routes,
    runtime,
    volumes,
)
from bootgrant.machines.talos.validation.documents.rules import check
from bootgrant.machines.talos.validation.report import Check

WITHOUT_RULES: Final = frozenset((
    "ImageCacheConfig", "KubeAuditPolicyConfig", "KubeAuthenticationConfig", "KubeCoreDNSConfig",
    "KubeCredentialProviderConfig", "KubeSpanEndpointsConfig", "NetworkDefaultActionConfig", "PCIDriverRebindConfig",
    "SecurityProfileConfig", "TrustedRootsConfig", "UdevRulesConfig",
))  # fmt: skip
"""Kinds in which Talos checks nothing beyond the types of the values; even their names may be empty."""

CHECKS: Final[Mapping[str, Check]] = {
    **dict.fromkeys(WITHOUT_RULES, check()),
    **links.CHECKS,
    **bgp.CHECKS,
    **routes.CHECKS,
    **hosts.CHECKS,
    **cluster.CHECKS,
    **kubernetes.CHECKS,
    **kubernetes_network.CHECKS,
    **authorities.CHECKS,
    **registries.CHECKS,
    **runtime.CHECKS,
    **volumes.CHECKS,
    **lvm.CHECKS,
    **containers.CHECKS,
}
"""The check of each kind, by its name."""

"""Kubernetes: the components of the control plane, the kubelet, the node, manifests, and access to Talos from pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bootgrant.machines.talos.validation import forms
from bootgrant.machines.talos.validation.documents.rules import (
    Rule,
    Section,
    between,
    check,
    form,
    forms_of,
    inside,
    one_of,
    required,
    scheme,
)
from bootgrant.machines.talos.validation.report import Check

PROTECTED_KUBELET_KEYS: Final = (
    "apiVersion", "authentication", "authorization", "cgroupRoot", "kind", "kubeletCgroups", "port",
    "protectKernelDefaults", "resolvConf", "rotateCertificates", "systemCgroups", "staticPodPath", "seccompDefault",
)  # fmt: skip
"""Keys of the kubelet's configuration that are Talos's own (``ProtectedConfigurationFields``)."""
AUTHORIZER_TYPES: Final = ("Node", "RBAC", "Webhook")
_RESOURCES: Final = frozenset(("cpu", "memory"))
_ARGUMENTS_ELSEWHERE: Final[Mapping[str, str]] = {
    "anonymous-auth": "KubeAuthenticationConfig",
    "oidc-": "KubeAuthenticationConfig",
    "authentication-config": "KubeAuthenticationConfig",
    "authorization-config": "KubeAuthorizerConfig",
    "authorization-mode": "KubeAuthorizerConfig",
    "authorization-webhook-": "KubeAuthorizerConfig",
}


def _resources(section: Section) -> None:
    """Requests and limits of cpu and memory, and of nothing else (``ResourcesConfig.Validate``)."""
    resources = section.inner("resources")
    for name in ("requests", "limits"):
        if not _RESOURCES.issuperset(resources.keys(name)):
            resources.refuse(name, "may only have cpu and memory")


def _if_enabled(*rules: Rule) -> Rule:
    """Rules that do not apply to a component with ``enabled: false``."""

    def run(section: Section) -> None:
        if section.fields.get("enabled") is not False:
            for rule in rules:
                rule(section)

    return run


def _arguments(section: Section) -> None:
    for argument in section.keys("extraArgs"):
        for start, kind in _ARGUMENTS_ELSEWHERE.items():
            if argument.startswith(start):
                section.refuse(f"extraArgs.{argument}", f"is not possible here: use the document {kind}")


def _proxy(section: Section) -> None:
    if section.text("mode") in ("iptables", "ipvs"):
        section.warn("mode", "is not recommended by Talos: use nftables if possible")
    if section.keys("extraArgs"):
        section.warn("extraArgs", "may not work as expected: use config")


def _protected(section: Section) -> None:
    for key in PROTECTED_KUBELET_KEYS:
        if key in section.keys("config"):
            section.refuse(f"config.{key}", "cannot be changed: Talos sets it")


def _faults(name: str, faults_of: Callable[[Mapping[str, str]], list[str]]) -> Rule:
    def run(section: Section) -> None:
        for fault in faults_of(section.keys(name)):
            section.refuse(name, fault)

    return run


def _webhook(section: Section) -> None:
    is_webhook = section.text("type") == "Webhook"
    if is_webhook and not section.keys("webhook"):
        section.refuse("webhook", "must be set for the type Webhook")
    elif section.keys("webhook") and not is_webhook:
        section.warn("webhook", "is only used with the type Webhook")


def _roles(section: Section) -> None:
    known = forms.roles(section.report.release)
    for index, role in enumerate(section.items("allowedRoles")):
        if role not in known:
            section.refuse(f"allowedRoles[{index}]", f"must be one of {', '.join(sorted(known))}")


def _endpoint(section: Section) -> None:
    url = section.url("endpoint")
    if url is not None and not forms.is_endpoint_uri(str(url)):
        section.refuse("endpoint", "must be a URL with a host, such as https://10.0.0.1:6443")


_object_name = form(
    "name", forms.is_dns1123_subdomain, "must be lower-case letters, digits, - and ., as in a name of Kubernetes"
)
_subnets = forms_of("validSubnets", forms.is_subnet, "must be a network or an address, with ! to exclude it")

CHECKS: Final[Mapping[str, Check]] = {
    "KubeNodeConfig": check(
        inside("nodeIP", _subnets),
        _faults("labels", forms.label_faults),
        _faults("annotations", forms.annotation_faults),
        _faults("taints", forms.taint_faults),
    ),
    "KubeletConfig": check(required("image"), _protected),
    "KubeAPIServerConfig": check(required("image"), _arguments, _resources),
    "KubeControllerManagerConfig": check(_if_enabled(required("image"), _resources)),
    "KubeSchedulerConfig": check(_if_enabled(required("image"), _resources)),
    "KubeProxyConfig": check(
        _if_enabled(required("image"), one_of("mode", ("", "nftables", "iptables", "ipvs")), _proxy, _resources)
    ),
    "KubeFlannelCNIConfig": check(required("backendType"), _resources),
    "KubePrismConfig": check(between("port", 1, 65535)),
    "KubeClusterConfig": check(required("clusterName", "endpoint"), _endpoint),
    "KubeAdmissionControlConfig": check(required("name")),
    "KubeAuthorizerConfig": check(required("name"), one_of("type", AUTHORIZER_TYPES), _webhook),
    "KubeEtcdEncryptionConfig": check(required("config")),
    "KubeExternalManifestConfig": check(required("name", "url"), _object_name, scheme("url", "https", "http")),
    "KubeInlineManifestConfig": check(required("name"), _object_name),
    "KubeStaticPodConfig": check(required("name"), _object_name, required("pod")),
    "KubeTalosAPIAccessConfig": check(_roles),
}

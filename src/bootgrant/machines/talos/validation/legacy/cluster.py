"""The sections of ``cluster``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bootgrant.machines.talos.validation import forms
from bootgrant.machines.talos.validation.legacy.roles import Role, role_of
from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import Rule, at, is_between, run
from bootgrant.wire.go_text import trim_space
from bootgrant.wire.go_url import UrlError, parse_request_uri

_DISCOVERY: Final = "cluster.discovery"
_DEFAULT_DISCOVERY: Final = "https://discovery.talos.dev/"
_SUBNET_HINT: Final = "must be a network such as 10.0.0.0/8 or an address, with ! in front to exclude it"
_ENDPOINT_HINT: Final = "must be a URL with a host, such as https://10.0.0.1:6443"
_RESOURCES: Final = frozenset({"cpu", "memory"})
_AUTHORIZERS: Final = frozenset({"Node", "RBAC", "Webhook"})
_PLUGINS: Final = frozenset({"flannel", "custom", "none"})


def check_cluster(value: dict[str, Any], report: Report) -> None:
    """``ClusterConfig.Validate``. Without an endpoint Talos looks at nothing else of it."""
    cluster = value.get("cluster")
    if cluster is None:
        report.refuse("cluster", "is missing: add it, even as {}")
        return
    control_plane = cluster.get("controlPlane")
    is_needed = control_plane is not None or is_between(report.release, until="1.14")
    if is_needed and (control_plane or {}).get("endpoint") is None:
        report.refuse("cluster.controlPlane.endpoint", f"is missing: it {_ENDPOINT_HINT}")
        return
    run(_RULES, value, report)


def _endpoint(value: dict[str, Any], report: Report) -> None:
    endpoint = at(value, "cluster.controlPlane.endpoint")
    if endpoint is not None and not forms.is_endpoint_uri(str(endpoint), report.release):
        report.refuse("cluster.controlPlane.endpoint", _ENDPOINT_HINT)


def _dns_domain(value: dict[str, Any], report: Report) -> None:
    domain = at(value, "cluster.network.dnsDomain")
    if domain and not forms.is_dns_name(domain):
        report.refuse("cluster.network.dnsDomain", "must be a DNS name, such as cluster.local")


def _cloud_provider(value: dict[str, Any], report: Report) -> None:
    path = "cluster.externalCloudProvider"
    settings = at(value, path) or {}
    manifests = settings.get("manifests") or []
    if manifests and not settings.get("enabled"):
        report.refuse(f"{path}.manifests", "must be empty unless enabled is true: set enabled, or remove them")
        return
    for index, manifest in enumerate(manifests):
        if not forms.is_endpoint_uri(manifest, report.release):
            report.refuse(f"{path}.manifests[{index}]", _ENDPOINT_HINT)


def _etcd(value: dict[str, Any], report: Report) -> None:
    etcd = at(value, "cluster.etcd")
    if etcd is None:
        return
    if role_of(value) is not Role.CONTROL_PLANE:
        report.refuse("cluster.etcd", "only a control plane may have it: remove it")
        return
    if "ca" not in etcd:
        report.refuse("cluster.etcd.ca", "is missing: add crt and key")
    advertised, listen, subnet = (etcd.get(key) for key in ("advertisedSubnets", "listenSubnets", "subnet"))
    if subnet and advertised:
        report.refuse("cluster.etcd.subnet", "must not be set together with advertisedSubnets: remove it")
    if subnet and not advertised and not forms.is_subnet(subnet):
        report.refuse("cluster.etcd.subnet", _SUBNET_HINT)
    for key, subnets in (("advertisedSubnets", advertised), ("listenSubnets", listen)):
        for index, text in enumerate(subnets or []):
            if not forms.is_subnet(text):
                report.refuse(f"cluster.etcd.{key}[{index}]", _SUBNET_HINT)


def _inline_manifests(value: dict[str, Any], report: Report) -> None:
    seen = set()
    for index, manifest in enumerate(at(value, "cluster.inlineManifests") or []):
        name = manifest.get("name", "")
        path = f"cluster.inlineManifests[{index}].name"
        if not trim_space(name):
            report.refuse(path, "must not be blank")
        if name in seen:
            report.refuse(path, "another manifest has this name: rename one of them")
        seen.add(name)


def _discovery(value: dict[str, Any], report: Report) -> None:
    if not has_discovery_service(value):
        return
    path = f"{_DISCOVERY}.registries.service.endpoint"
    try:
        strict = is_between(report.release, since="1.13")
        url = parse_request_uri(at(value, path) or _DEFAULT_DISCOVERY, strict_colons=strict)
    except UrlError:
        report.refuse(path, f"must be a URL such as {_DEFAULT_DISCOVERY}")
    else:
        if url.path not in ("", "/"):
            report.refuse(path, "must have no path")
    for key in ("id", "secret"):
        if not at(value, f"cluster.{key}"):
            report.refuse(f"cluster.{key}", "is missing: discovery needs it, unless cluster.discovery is turned off")


def has_discovery_service(value: dict[str, Any]) -> bool:
    """Whether a legacy document turns discovery on and does not turn its service off."""
    settings = at(value, _DISCOVERY) or {}
    return bool(settings.get("enabled")) and not at(settings, "registries.service.disabled")


def _api_server(value: dict[str, Any], report: Report) -> None:
    """The first fault ends this check, as in Talos."""
    faults = _api_server_faults(at(value, "cluster.apiServer") or {})
    for path, message in faults:
        report.refuse(f"cluster.apiServer.{path}", message)
        return


def _api_server_faults(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    authorizers = settings.get("authorizationConfig")
    for argument in sorted(settings.get("extraArgs") or {}) if authorizers is not None else ():
        if argument == "authorization-mode" or argument.startswith("authorization-webhook-"):
            yield f"extraArgs.{argument}", "must not be set together with authorizationConfig: remove one of them"
    for index, authorizer in enumerate(authorizers or []):
        path = f"authorizationConfig[{index}]"
        kind = (authorizer or {}).get("type", "")
        if not kind:
            yield f"{path}.type", "is missing: write Node, RBAC or Webhook"
        if not (authorizer or {}).get("name"):
            yield f"{path}.name", "is missing: give the authorizer a name"
        if kind not in _AUTHORIZERS:
            yield f"{path}.type", "must be Node, RBAC or Webhook"
    yield from _resource_faults(settings)


def _resource_faults(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for section in ("requests", "limits"):
        for name in sorted(set(at(settings, f"resources.{section}") or {}) - _RESOURCES):
            yield f"resources.{section}.{name}", "must be cpu or memory"


def _resources(value: dict[str, Any], report: Report) -> None:
    for component in ("controllerManager", "scheduler"):
        for path, message in _resource_faults(at(value, f"cluster.{component}") or {}):
            report.refuse(f"cluster.{component}.{path}", message)


def _ca_key(value: dict[str, Any], report: Report) -> None:
    if role_of(value) is not Role.CONTROL_PLANE and at(value, "cluster.ca.key"):
        report.refuse("cluster.ca.key", "only a control plane may have the key of the Kubernetes API: remove it")


_RULES: Final = (
    Rule(_endpoint),
    Rule(_dns_domain),
    Rule(_cloud_provider),
    Rule(_etcd),
    Rule(_ca_key),
    Rule(_inline_manifests),
    Rule(_discovery),
    Rule(_api_server),
    Rule(_resources),
)


def network_plugin(value: dict[str, Any], report: Report) -> None:
    """``cluster.network.cni`` of a control plane; without ``cluster.network`` it is Flannel."""
    settings = at(value, "cluster.network.cni")
    if settings is None or role_of(value) is not Role.CONTROL_PLANE:
        return
    path = "cluster.network.cni"
    name = settings.get("name", "")
    if name not in _PLUGINS:
        report.refuse(f"{path}.name", "must be flannel, custom or none")
        return
    urls = settings.get("urls") or []
    if name == "custom":
        _custom_plugin(urls, report)
    elif urls:
        report.refuse(f"{path}.urls", f"must be empty with name: {name}")
    if name != "flannel":
        _without_flannel(settings.get("flannel") or {}, report)


def _custom_plugin(urls: list[str], report: Report) -> None:
    if not urls:
        report.warn(
            "cluster.network.cni.urls", "is empty, so no network plugin is installed: add the URL of a manifest"
        )
    for index, url in enumerate(urls):
        if not forms.is_endpoint_uri(url, report.release):
            report.refuse(f"cluster.network.cni.urls[{index}]", _ENDPOINT_HINT)


def _without_flannel(flannel: dict[str, Any], report: Report) -> None:
    path = "cluster.network.cni.flannel"
    if flannel.get("extraArgs"):
        report.refuse(f"{path}.extraArgs", "must be empty unless the name is flannel")
    if flannel.get("kubeNetworkPoliciesEnabled") and is_between(report.release, since="1.13"):
        report.refuse(f"{path}.kubeNetworkPoliciesEnabled", "must not be true unless the name is flannel")


def discovery_for_kubespan(value: dict[str, Any], report: Report) -> None:
    """Up to Talos 1.13; later it is a check of the whole configuration."""
    if not at(value, "machine.network.kubespan.enabled"):
        return
    if not at(value, f"{_DISCOVERY}.enabled"):
        report.refuse(f"{_DISCOVERY}.enabled", "must be true, because machine.network.kubespan is enabled")
    for key in ("id", "secret"):
        if not at(value, f"cluster.{key}"):
            report.refuse(f"cluster.{key}", "is missing: machine.network.kubespan needs it")

"""What an import makes, and the cluster that both tools describe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from bootgrant.machines.site.encryption import Encryption, encryption_of
from bootgrant.machines.site.model import MODEL, TALOS_RELEASES
from bootgrant.machines.yaml.reading import MappingNode, YamlError, read_yaml
from bootgrant.machines.yaml.scalars import core_value

Json = dict[str, Any]
CONTROL_PLANE: Final = "control-plane"
WORKER: Final = "worker"
BASE: Final = "base"
KUBERNETES: Final = "registry.k8s.io"
KUBELET: Final = "ghcr.io/siderolabs/kubelet"


_UKI_CMDLINE: Final = (1, 12)
"""The first version whose machines take kernel arguments from the image by default."""
_POD_SECURITY: Final[Json] = {
    "apiVersion": "pod-security.admission.config.k8s.io/v1alpha1",
    "kind": "PodSecurityConfiguration",
    "defaults": {
        "audit": "restricted",
        "audit-version": "latest",
        "enforce": "baseline",
        "enforce-version": "latest",
        "warn": "restricted",
        "warn-version": "latest",
    },
    "exemptions": {"namespaces": ["kube-system"], "runtimeClasses": [], "usernames": []},
}


class ImportRefused(Exception):
    """A project that cannot be read. The message names the file and says what to do."""


@dataclass(slots=True, repr=False)
class Imported:
    """``files`` by path; ``secret_files`` must be encrypted before they are written; ``notes`` are for a person."""

    files: dict[str, bytes] = field(default_factory=dict)
    secret_files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def paths(self) -> set[str]:
        return self.files.keys() | self.secret_files.keys()


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a base document needs. Versions have no leading v; ``image`` is the installer with its tag."""

    name: str
    endpoint: str
    kubernetes: str
    image: str
    domain: str = "cluster.local"
    pod_subnets: Sequence[str] = ("10.244.0.0/16",)
    service_subnets: Sequence[str] = ("10.96.0.0/12",)


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the project, and the layers that it gets.

    ``match`` is empty if the project does not identify it, ``talos`` if it runs the version of most machines.
    """

    name: str
    role: str
    layers: Sequence[str]
    match: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    talos: str = ""


def read_mapping(path: str, content: bytes) -> Json:
    """Return the only document of a YAML file, which must be in clear. Raises ImportRefused."""
    if encryption_of(path, content) is not Encryption.NONE:
        raise ImportRefused(f"{path}: encrypted: decrypt it first (sops --decrypt --in-place {path}), away from git")
    try:
        roots = read_yaml(content)
    except YamlError as broken:
        raise ImportRefused(f"{path}: line {broken.line or 1}: {broken.message}") from None
    if len(roots) != 1 or not isinstance(roots[0], MappingNode):
        raise ImportRefused(f"{path}: expected one mapping, such as clusterName: …")
    value = core_value(roots[0])
    return value if isinstance(value, dict) else {}


def text_of(project: Mapping[str, Any], key: str, path: str) -> str:
    """Return a text that the project must have. Raises ImportRefused."""
    value = project.get(key)
    if value is None or isinstance(value, (dict, list)) or not str(value).strip():
        raise ImportRefused(f"{path}: {key} is missing: this is not a complete project file")
    return str(value).strip()


def mapping_in(parent: Mapping[str, Any], key: str) -> Json:
    """Return a mapping, empty if it is not given. Raises ImportRefused for another value."""
    found = parent.get(key)
    if found is not None and not isinstance(found, dict):
        raise ImportRefused(f"{key} must be a mapping, such as {{name: value}}")
    return found or {}


def list_in(parent: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list, empty if it is not given. Raises ImportRefused for another value."""
    found = parent.get(key)
    if found is not None and not isinstance(found, list):
        raise ImportRefused(f"{key} must be a list")
    return found or []


def mappings_in(parent: Mapping[str, Any], key: str) -> list[Json]:
    """Return a list of mappings, empty if it is not given. Raises ImportRefused for another value."""
    found = list_in(parent, key)
    if not all(isinstance(one, dict) for one in found):
        raise ImportRefused(f"{key} must be a list of mappings")
    return found


def version_of(value: object) -> str:
    return str(value).strip().removeprefix("v")


def write_yaml(*documents: Any) -> bytes:
    """Return documents as YAML, keys in their order."""
    text = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**30)
    return text.encode("utf-8", "surrogatepass")


class _Dumper(yaml.CSafeDumper):
    """Writes a text of several lines as a block, as people do, and repeats values where others use anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def base_files(cluster: Cluster) -> dict[str, bytes]:
    """Return the base of all machines and of control planes, without secrets, as `talosctl gen config` fills it."""
    return {
        f"{BASE}/01-cluster.yaml": write_yaml(_everyone(cluster)),
        f"{BASE}/{CONTROL_PLANE}/01-role.yaml": write_yaml(_control_plane(cluster)),
    }


def _everyone(cluster: Cluster) -> Json:
    install: Json = {"image": cluster.image, "wipe": False}
    if _minor(cluster.image) >= _UKI_CMDLINE:
        install["grubUseUKICmdline"] = True
    return {
        "version": "v1alpha1",
        "machine": {
            "type": "worker",
            "kubelet": {
                "image": f"{KUBELET}:v{cluster.kubernetes}",
                "defaultRuntimeSeccompProfileEnabled": True,
                "disableManifestsDirectory": True,
            },
            "install": install,
            "features": {
                "diskQuotaSupport": True,
                "kubePrism": {"enabled": True, "port": 7445},
                "hostDNS": {"enabled": True, "forwardKubeDNSToHost": True},
            },
        },
        "cluster": {
            "controlPlane": {"endpoint": cluster.endpoint},
            "clusterName": cluster.name,
            "network": {
                "dnsDomain": cluster.domain,
                "podSubnets": list(cluster.pod_subnets),
                "serviceSubnets": list(cluster.service_subnets),
            },
            "discovery": {"enabled": True, "registries": {"kubernetes": {"disabled": True}, "service": {}}},
        },
    }


def _control_plane(cluster: Cluster) -> Json:
    host = urlsplit(cluster.endpoint).hostname
    images = {"apiServer": "kube-apiserver", "controllerManager": "kube-controller-manager"}
    images |= {"scheduler": "kube-scheduler", "proxy": "kube-proxy"}
    parts: Json = {key: {"image": f"{KUBERNETES}/{name}:v{cluster.kubernetes}"} for key, name in images.items()}
    parts["apiServer"] |= {
        "certSANs": [host] if host else [],
        "admissionControl": [{"name": "PodSecurity", "configuration": _POD_SECURITY}],
        "auditPolicy": {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]},
    }
    labels = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    return {"machine": {"type": "controlplane", "nodeLabels": labels}, "cluster": parts}


def _minor(image: str) -> tuple[int, ...]:
    """Return the version in an image's tag as (1, 13); empty if it has none."""
    found = re.search(r":v(\d+)\.(\d+)", image)
    return (int(found[1]), int(found[2])) if found else ()


def release_of(version: str) -> str:
    """Return the release of a Talos version (1.13 of v1.13.3), empty if bootgrant has no tables of it."""
    release = ".".join(version_of(version).split(".")[:2])
    return release if release in TALOS_RELEASES else ""


def model_file(nodes: Iterable[Node], source: str, talos: str) -> bytes:
    """Return ``machines.yaml`` for the nodes of a project; ``talos`` is the version of most machines."""
    release = release_of(talos)
    defaults: Json = {"schema": "talos"} | ({"talos": release} if release else {})
    entries = []
    for node in nodes:
        entry: Json = {"name": node.name}
        if node.match:
            entry["match"] = dict(node.match)
        if node.talos and release_of(node.talos) not in ("", release):
            entry["talos"] = release_of(node.talos)
        entry |= {"labels": {"role": node.role}, "layers": list(node.layers)}
        if node.variables:
            entry["variables"] = dict(node.variables)
        entries.append(entry)
    heading = (
        f"# Made by `bootgrant import` from {source}.\n"
        "# An entry without match is a profile, which no machine finds: add uuid, serial or mac.\n"
    )
    return heading.encode() + write_yaml({"defaults": defaults, "entries": entries})


def unknown_release(talos: str) -> list[str]:
    """Return a note for a version that bootgrant has no tables of."""
    if release_of(talos):
        return []
    known = ", ".join(TALOS_RELEASES)
    return [f"Talos {talos}: bootgrant knows the releases {known}, and checks the configurations for the last of them"]


def unmatched(nodes: Iterable[Node]) -> list[str]:
    """Return a note for the nodes that no machine can find, because the project does not identify the hardware."""
    names = [node.name for node in nodes if not node.match]
    if not names:
        return []
    return [
        f"{MODEL}: {', '.join(names)}: the project does not identify the machine: add match: {{uuid: …}}, serial or mac"
    ]
